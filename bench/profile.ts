// Where prefill time goes: ONNX Runtime's own profile, summed by operator, for the original and the rewritten decoder.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { cached } from './cache.js';
import { printTable } from './measure.js';
import type { PrefillOptions } from './prefill.js';
import { prefillFeeds, rewriteBeside, SESSION, type Feeds } from './sessions.js';

interface Event {
  readonly cat?: string;
  readonly name?: string;
  readonly dur?: number;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/** Microseconds of one prefill by operator; and those of the rewrite's own nodes. */
interface Profile {
  readonly operators: ReadonlyMap<string, number>;
  readonly own: ReadonlyMap<string, number>;
  readonly total: number;
}

/** Operators that take a smaller share are left out of the tables (not out of the sums). */
const SMALL = 1e-3;

/** Prints two tables: every operator, and the nodes that the rewrite added. */
export async function benchProfile(options: PrefillOptions): Promise<void> {
  const { layer, ratios, tokens, rounds } = options;
  const generated = cached(options);
  const { shape } = generated;
  const ratio = ratios.at(-1) ?? 0.5;
  const before = await profile(generated.file, prefillFeeds(shape, tokens), rounds);
  const after = await profile(rewriteBeside(generated, layer), prefillFeeds(shape, tokens, ratio), rounds);
  console.log(
    `### ${options.shape}, ${shape.layers} layers, ${options.weights}: ${tokens.image} image + ${tokens.text} other tokens, K=${layer}, R=${ratio}\n`,
  );
  const ms = (microseconds: number): string => (microseconds / 1000).toFixed(1);
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)}%`;
  const names = [...new Set([...before.operators.keys(), ...after.operators.keys()])];
  names.sort((a, b) => (before.operators.get(b) ?? 0) - (before.operators.get(a) ?? 0));
  const large = names.filter((name) =>
    [before, after].some((p) => (p.operators.get(name) ?? 0) > SMALL * p.total),
  );
  printTable(
    ['operator', 'original ms', 'share', 'rewritten ms', 'share'],
    [...large, 'all'].map((name) => {
      const [x, y] = [before, after].map((p) => (name === 'all' ? p.total : (p.operators.get(name) ?? 0)));
      return [name, ms(x ?? 0), percent(x ?? 0, before.total), ms(y ?? 0), percent(y ?? 0, after.total)];
    }),
  );
  const own = [...after.own].sort((a, b) => b[1] - a[1]);
  const sum = own.reduce((total, [, time]) => total + time, 0);
  printTable(
    ['added by the rewrite', 'ms', 'share'],
    [...own.filter(([, time]) => time > (SMALL * after.total) / 10), ['all', sum] as const].map(
      ([name, time]) => [name, ms(time), percent(time, after.total)],
    ),
  );
}

async function profile(file: string, feeds: Feeds, rounds: number): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'fastv-profile-'));
  const options = { ...SESSION, enableProfiling: true, profileFilePrefix: join(folder, 'p') };
  const session = await InferenceSession.create(file, options);
  for (let i = 0; i <= rounds; i++) await session.run(feeds);
  session.endProfiling();
  await session.release();
  const [name = ''] = readdirSync(folder);
  const events = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Event[];
  rmSync(folder, { recursive: true });

  const operators = new Map<string, number>();
  const own = new Map<string, number>();
  let total = 0;
  const kernels = events.filter(
    (event) => event.cat === 'Node' && event.name?.endsWith('_kernel_time') === true,
  );
  // the first run warms up; every run has the same number of kernels
  for (const { name: node = '', dur = 0, args } of kernels.slice(kernels.length / (rounds + 1))) {
    const operator = args?.op_name ?? 'unknown';
    const time = dur / rounds;
    total += time;
    operators.set(operator, (operators.get(operator) ?? 0) + time);
    if (node.startsWith('fastv/')) own.set(operator, (own.get(operator) ?? 0) + time);
  }
  return { operators, own, total };
}
