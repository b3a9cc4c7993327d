// What people and programs type where a value is expected: for the suites that try thousands of command lines, task files
// and prompts. Drawn from a seeded generator, so that a failure can be repeated by its seed.
import type { Random } from './toy/random.js';

export const below = (random: Random, n: number): number => Math.floor(random() * n);

export function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[below(random, list.length)] ?? list[0];
}

/** How many seeds a suite tries: `FASTV_FUZZ`, where that is more than usual. */
export function seeds(usual: number): number {
  return Math.max(usual, Number(process.env['FASTV_FUZZ'] ?? 0));
}

/** Milliseconds for so many seeds of so many milliseconds each, on a busy machine. */
export function timeLimit(count: number, each: number): number {
  return 60_000 + count * each;
}

const TEXTS = [
  ...[
    '',
    ' ',
    '-',
    '--',
    '.',
    '..',
    '\\',
    '0',
    '1',
    '-1',
    '2',
    '0.5',
    '50%',
    '1e9',
    '1e-9',
    'NaN',
    'Infinity',
  ],
  ...[
    'null',
    'true',
    '[]',
    '{}',
    '{',
    '"',
    "'",
    ',',
    ',,',
    'a,b',
    '2:0.5',
    ':',
    '{x}',
    '{?x} y',
    '{choices}',
    '{{ 7 }}',
  ],
  ...['__proto__', 'constructor', 'hasOwnProperty', 'toString', '../nowhere/x', 'file:///nowhere/x'],
  ...[
    'http://127.0.0.1:1/x',
    'data:,x',
    '9'.repeat(30),
    'x'.repeat(5000),
    'é'.normalize('NFD'),
    '🦊',
    '​',
    '‮',
  ],
  ...[
    '\0',
    '\n',
    '\r\n',
    '\t',
    '\u0007',
    '\u001b[31m',
    '\ud800',
    '\uffff',
    '<image>',
    '<|im_start|>',
    '</s>',
    '%s%n',
    '$&',
  ],
  ...['scenes', 'attention', 'random', 'fp32', 'q8', 'cpu', 'A', 'yes'],
] as const;

/** A text that fits nowhere in particular. */
export function someText(random: Random): string {
  const text = TEXTS[below(random, TEXTS.length)] ?? '';
  return random() < 0.1 ? text + someText(random) : text;
}

/** A value of JSON that fits nowhere in particular. */
export function someValue(random: Random): unknown {
  return pick<() => unknown>(random, [
    () => someText(random),
    () => someText(random),
    () => pick(random, [0, 1, -1, 0.5, 2 ** 31, 2 ** 53, 1e308, -0]),
    () => pick(random, [null, true, false]),
    () => [],
    () => ({}),
    () => Array.from({ length: below(random, 4) }, () => someText(random)),
    () => ({ [someText(random)]: someText(random) }),
    () => ({ below: pick(random, [0, 1, -1, 1e9]) }),
  ])();
}

/** A value with one of its parts taken away, changed, doubled or renamed; the value itself stays. */
export function mutated(value: unknown, random: Random): unknown {
  if (Array.isArray(value)) {
    const list: unknown[] = [...(value as unknown[])];
    const at = below(random, list.length + 1);
    if (at < list.length && random() < 0.7) list[at] = mutated(list[at], random);
    else if (random() < 0.5) list.splice(at, 1);
    else list.push(someValue(random));
    return list;
  }
  if (typeof value === 'object' && value !== null) {
    const entries: [string, unknown][] = Object.entries(value);
    const at = below(random, entries.length + 1);
    const [key, held] = entries[at] ?? [someText(random), someValue(random)];
    const how = random();
    if (how < 0.6) entries[at] = [key, mutated(held, random)];
    else if (how < 0.8) entries.splice(at, 1);
    else if (how < 0.9) entries.push([someText(random), held]);
    else entries.push([key, someValue(random)]);
    return Object.fromEntries(entries);
  }
  return someValue(random);
}
