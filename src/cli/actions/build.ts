/** What `fastv build` does. */
import { existsSync } from 'node:fs';
import { build as buildModel, type BuildDtype, type BuildReport } from '../../build/build.js';
import { folderFiles, type CheckpointFiles } from '../../build/checkpoint/files.js';
import { FastvError } from '../../errors.js';
import { bytes, ms } from '../format.js';
import { cachedFiles, hubFiles } from '../hub/checkpoint-files.js';
import { hubFetch } from '../hub/fetch.js';
import { checkName } from '../hub/repository.js';
import { hubSettings } from '../hub/settings.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv build`. */
export interface BuildFlags {
  readonly output: string;
  readonly dtype?: BuildDtype;
  readonly adapter?: string;
  readonly check?: boolean;
  readonly interpolatePositions?: boolean;
  readonly revision: string;
  readonly allowNetwork?: boolean;
}

/** Builds a model. */
export async function build(checkpoint: string, flags: BuildFlags, terminal: Terminal): Promise<void> {
  const { output, dtype, adapter, check = false, interpolatePositions = false } = flags;
  const started = performance.now();
  const { progress } = terminal;
  const report = await buildModel(await filesOf(checkpoint, flags), output, {
    ...(dtype === undefined ? {} : { dtype }),
    ...(adapter === undefined ? {} : { adapter }),
    interpolatePositions,
    onProgress: (done, total, part) => {
      if (progress.isTTY === true)
        progress.write(`\r\u001b[K${done}/${total} ${part}${done === total ? '\n' : ''}`);
    },
  });
  const buildMs = performance.now() - started;
  const peakRss = process.resourceUsage().maxRSS * 1024;
  const checked = check ? await (await import('./build-check.js')).checkBuilt(report) : null;
  terminal.result({ ...report, buildMs, peakRss, check: checked }, () =>
    [
      `${report.family}, in ${ms(buildMs)} with at most ${bytes(peakRss)} of memory: ${report.folder}`,
      ...report.parts.map(describePart),
      ...(checked === null ? [] : checked.lines),
      `fastv run --model ${report.folder} photo.jpg "What is on the table?"`,
    ].join('\n'),
  );
}

/** The checkpoint's files: a folder's, those of a model that Hugging Face's tools have fetched, or the hub's. */
async function filesOf(
  checkpoint: string,
  { revision, allowNetwork = false }: BuildFlags,
): Promise<CheckpointFiles> {
  if (existsSync(checkpoint)) return folderFiles(checkpoint);
  checkName(checkpoint);
  const repository = { model: checkpoint, revision };
  const cached = cachedFiles(repository);
  if (cached !== undefined) return cached;
  const settings = hubSettings();
  if (!allowNetwork || settings.offline) {
    throw new FastvError(
      'invalid-option',
      'there is no such folder, and no such model in the cache of the hub',
      {
        where: checkpoint,
        hint: 'Check the name; with --allow-network it is read from the hub.',
      },
    );
  }
  return hubFiles(repository, hubFetch(settings), settings);
}

function describePart({ part, dtype, files, quantized }: BuildReport['parts'][number]): string {
  const size = files.reduce((sum, file) => sum + file.bytes, 0);
  const [worst] = [...quantized].sort((a, b) => b.relativeError - a.relativeError);
  const lost =
    worst === undefined ? '' : `; largest error ${(100 * worst.relativeError).toFixed(2)}%: ${worst.weight}`;
  return `${part} ${dtype}, ${bytes(size)}${lost}`;
}
