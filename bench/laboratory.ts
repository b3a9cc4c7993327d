// What results in great numbers cost: going on with a run, its summary, its report. Results are made up, of VQAv2's form: ten
// answers to a question, four questions about an image, replies of which some are rare.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prunedCondition, UNPRUNED, type Condition } from '../src/eval/answerer.js';
import type { Result } from '../src/eval/result.js';
import type { Summary } from '../src/eval/summary.js';
import { findTasks } from '../src/eval/tasks/index.js';
import { Random } from '../src/scenes/random.js';
import { mebibytes } from '../src/bench/table.js';
import type { Part, PartCost } from './laboratory-part.js';
import { inOwnProcess } from './own-process.js';
import { printTable } from './print.js';

export interface LaboratoryOptions {
  readonly results: number;
  readonly conditions: number;
}

const ONE = join(import.meta.dirname, 'laboratory-part.js');
const PARTS: readonly (readonly [Part, string])[] = [
  ['go-on', 'going on, without an index'],
  ['go-on', 'going on'],
  ['summary', 'summary'],
  ['report', 'report'],
];

/** Prints seconds of each part, and its memory. */
export async function benchLaboratory(options: LaboratoryOptions): Promise<void> {
  const folder = join('.cache/bench', `laboratory-${options.results}-${options.conditions}`);
  if (!existsSync(folder)) await makeRun(folder, options);
  const rows = PARTS.map(([part, name]) => {
    const { wallMs, cpuMs, peak } = inOwnProcess(ONE, JSON.stringify({ part, folder })) as PartCost;
    return [name, (wallMs / 1e3).toFixed(1), (cpuMs / 1e3).toFixed(1), mebibytes(peak)];
  });
  console.log(`### ${options.results} results, ${options.conditions} conditions\n`);
  printTable(['', 'seconds', 'of the processor', 'peak MiB'], rows);
}

/** A run as an evaluation leaves it. */
async function makeRun(folder: string, { results, conditions: count }: LaboratoryOptions): Promise<void> {
  const [task] = findTasks(['vqav2']);
  if (task === undefined) throw new RangeError('no task vqav2');
  const conditions = Array.from({ length: count }, (_, i) =>
    i === 0 ? UNPRUNED : prunedCondition(2, i / count),
  );
  const making = `${folder}.part`;
  mkdirSync(making, { recursive: true });
  const file = createWriteStream(join(making, 'results.jsonl'));
  let lines: string[] = [];
  for (const result of madeUp(task.name, conditions, results)) {
    lines.push(`${JSON.stringify(result)}\n`);
    if (lines.length < 2_000) continue;
    if (!file.write(lines.join(''))) await once(file, 'drain');
    lines = [];
  }
  file.end(lines.join(''));
  await once(file, 'finish');
  const summary: Summary = {
    ...{ model: 'none', options: {}, versions: {}, hardware: {}, seed: 0, complete: true },
    ...{ conditions, tasks: [task], cells: [], skipped: { count: 0, first: [] }, notes: [], about: {} },
  };
  writeFileSync(join(making, 'summary.json'), JSON.stringify(summary));
  renameSync(making, folder);
}

const WORDS = 'yes no dog cat red blue 2 3 white tennis left man'.split(' ');

function* madeUp(task: string, conditions: readonly Condition[], results: number): Generator<Result> {
  const random = new Random(0);
  const word = (): string => WORDS[random.int(WORDS.length)] ?? '';
  for (let place = 0; place * conditions.length < results; place++) {
    const answers = Array.from({ length: 10 }, word);
    const sample = `lmms-lab/VQAv2/data/validation-00000-of-00068.parquet:${place}`;
    for (const [i, { name }] of conditions.entries())
      yield {
        key: createHash('md5').update(`${place} ${i}`).digest('hex'),
        ...{ condition: name, task, sample, where: sample, place, answers },
        prompt: `What is in picture ${place}, on the left side of the street?\nAnswer in a word or a phrase.`,
        prediction: random.int(10) === 0 ? `${word()} ${place}` : word(),
        ...{ choice: null, options: null, category: null, group: null },
        score: [0, 0.3, 0.6, 0.9, 1][random.int(5)] ?? 0,
        image: Math.floor(place / 4)
          .toString(16)
          .padStart(16, '0'),
        cost: {
          ...{ tokens: 640 + (place % 30), imageTokens: 576, keptImageTokens: 288 },
          ...{ generatedTokens: 1 + (place % 4), visionMs: 20 + random.int(5000) / 1e3 },
          ...{ prefillMs: 200 + random.int(30_000) / 1e3, decodeMs: 40 + random.int(1000) / 1e3 },
          ...{ flops: 2.1e12 + 1e9 * (place % 30), flopsUnpruned: 3.8e12 + 1e9 * (place % 30) },
          ...{ kvBytes: 1e8 + (place % 30), kvBytesUnpruned: 2e8 + (place % 30), shapeFrom: 'graph' },
        },
      };
  }
}
