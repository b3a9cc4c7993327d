// One part of what a run's results cost, in a process of its own: `node laboratory-part.js '{"part": …, "folder": …}'` prints JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeReport } from '../src/analysis/write-report.js';
import { ResultLog, RowSet } from '../src/eval/results/log.js';
import { summarize, type Summary } from '../src/eval/summary.js';
import { memory } from './resident-memory.js';

/** `go-on`: what a run does before it asks again. */
export type Part = 'go-on' | 'summary' | 'report';

/** Milliseconds, and bytes that are resident at most, Node's own among them. */
export interface PartCost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peak: number;
}

async function run(part: Part, folder: string): Promise<void> {
  if (part === 'report') {
    await writeReport(folder);
    return;
  }
  const log = await ResultLog.open(folder);
  if (part === 'go-on') return log.close();
  const all = new RowSet();
  for (let row = 0; row < log.size; row++) all.add(row);
  const results = await log.end(all);
  const summary = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) as Summary;
  summarize({
    ...summary,
    ...{ identity: { model: summary.model, options: {}, versions: {} }, answering: { choices: 'letter' } },
    ...{ results, datasets: {}, limit: null },
  });
}

const { part, folder } = JSON.parse(process.argv[2] ?? '{}') as { part: Part; folder: string };
const [started, before] = [performance.now(), process.cpuUsage()];
await run(part, folder);
const { user, system } = process.cpuUsage(before);
const cost: PartCost = {
  wallMs: performance.now() - started,
  cpuMs: (user + system) / 1e3,
  peak: memory().peak,
};
console.log(JSON.stringify(cost));
