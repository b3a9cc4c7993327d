/** What `fastv batch` does. */
import type { Command } from 'commander';
import type { BatchAnswer, BatchOutcome, BatchRequest } from '../../server/batch.js';
import { failuresFile, runBatch } from '../../server/batch.js';
import { endedEarly } from '../evaluation.js';
import { refuseIdleSeed, type ModelFlags } from '../options/model.js';
import { checkOutputFile } from '../output-path.js';
import { refuseIdle } from '../parse/idle.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv batch`. */
export interface BatchFlags extends Omit<ModelFlags, 'maxNewTokens' | 'frames'> {
  readonly output: string;
  readonly mediaRoot?: string;
  readonly concurrency: number;
  readonly queue?: string;
}

/** Requests of one job of a queue. */
const PORTION = 16;
/** Jobs that are out at once: what Redis holds of a batch. */
const JOBS = 256;

/** Answers a file of requests. */
export async function batch(
  input: string,
  flags: BatchFlags,
  terminal: Terminal,
  command: Command,
): Promise<void> {
  refuseIdleSeed(command, flags);
  const { output, concurrency, queue: url } = flags;
  if (url !== undefined)
    for (const option of ['--media-root', '--concurrency', '--allow-network'])
      refuseIdle(command, option, 'the workers have their own', 'give it to fastv worker');
  for (const file of [output, failuresFile(output)])
    await checkOutputFile(file, { option: '--output', inputs: [input] });
  const signal = terminal.interrupts.inGoodOrder(
    'ending after what is asked; the same command goes on later',
  );
  const onProgress = ({ answered, before, failed }: BatchOutcome): void => {
    if (answered % 100 === 0)
      terminal.note(`${before + answered} answered${failed === 0 ? '' : `, ${failed} failed`}`);
  };
  const backend = url === undefined ? await hereWith(flags) : await queued(url, flags);
  try {
    const portions =
      url === undefined ? { portion: 1, concurrency } : { portion: PORTION, concurrency: JOBS };
    const { answer } = backend;
    const outcome = await runBatch({ input, output, answer, ...portions, signal, onProgress });
    const { answered, before, failed } = outcome;
    terminal.result(
      { output, ...outcome },
      () => `${before + answered} answered, ${failed} failed: ${output}`,
    );
    if (failed > 0)
      terminal.warn(`what failed is in ${failuresFile(output)}, and asked again by this command`);
    if (!outcome.complete) throw endedEarly();
  } finally {
    await backend.close();
  }
}

interface Backend {
  readonly answer: (requests: readonly BatchRequest[]) => Promise<readonly BatchAnswer[]>;
  readonly close: () => Promise<void>;
}

async function hereWith(flags: BatchFlags): Promise<Backend> {
  const { openBatchModel } = await import('../batch-model.js');
  return openBatchModel(flags);
}

async function queued(url: string, flags: BatchFlags): Promise<Backend> {
  const { openBatchQueue } = await import('../../server/batch-queue.js');
  const { model, layer, ratio, budget, seed, dtype, device, strategy, preset, weights, merge } = flags;
  // without what is not said: a job is named by what it holds
  const said = JSON.stringify({
    ...{ model, layer, ratio, budget, seed, dtype, device, strategy, preset, weights, merge },
  });
  return openBatchQueue(url, JSON.parse(said) as Readonly<Record<string, unknown>>);
}
