/** What `fastv pull` does. */
import { join } from 'node:path';
import { FastvError } from '../../errors.js';
import { bytes } from '../format.js';
import { downloadFile } from '../hub/download.js';
import { hubFetch } from '../hub/fetch.js';
import { filesOfModel, type HubFile } from '../hub/model-files.js';
import { checkName, listFiles } from '../hub/repository.js';
import { hubSettings } from '../hub/settings.js';
import type { ProgressStream, Terminal } from '../terminal.js';
import { modelCacheFolder } from '../transformers-env.js';

/** The flags of `fastv pull`. */
export interface PullFlags {
  readonly dtype: string;
  readonly revision: string;
}

/** Fetches a model. */
export async function pull(model: string, { dtype, revision }: PullFlags, terminal: Terminal): Promise<void> {
  checkName(model);
  const settings = hubSettings();
  if (settings.offline) {
    throw new FastvError('invalid-option', 'HF_HUB_OFFLINE forbids to fetch anything', {
      where: 'HF_HUB_OFFLINE',
      hint: 'unset it',
    });
  }
  const repository = { model, revision };
  const fetch = hubFetch(settings);
  const files = filesOfModel(await listFiles(repository, fetch, settings), model, dtype);
  // as Transformers.js names what it keeps: the revision only where it is not the main one
  const folder = join(modelCacheFolder(), ...model.split('/'), ...(revision === 'main' ? [] : [revision]));
  const progress = new PullProgress(files, terminal.progress);
  let fetched = 0;
  for (const file of files) {
    progress.begin(file);
    const onProgress = (there: number): void => {
      progress.update(file, there);
    };
    if (await downloadFile(file, { repository, folder, fetch, settings, onProgress })) fetched += file.size;
    progress.done(file);
  }
  const all = files.reduce((sum, { size }) => sum + size, 0);
  const document = {
    model,
    revision,
    dtype,
    folder,
    files: files.map(({ path, size }) => ({ path, bytes: size })),
    bytes: all,
    fetchedBytes: fetched,
  };
  terminal.result(document, () =>
    [
      fetched === 0
        ? `${bytes(all)} were there already, and are right`
        : `${bytes(fetched)} fetched, checked`,
      `in ${folder}`,
      `fastv run --model ${model} --dtype ${dtype} photo.jpg "What is on the table?"`,
    ].join('\n'),
  );
}

/** A line that is redrawn on a terminal, else a line a file. */
class PullProgress {
  readonly #stream: ProgressStream;
  readonly #total: number;
  #before = 0;
  #shown = 0;

  constructor(files: readonly HubFile[], stream: ProgressStream) {
    this.#stream = stream;
    this.#total = files.reduce((sum, { size }) => sum + size, 0);
  }

  begin({ path, size }: HubFile): void {
    if (this.#stream.isTTY !== true) this.#stream.write(`${path} (${bytes(size)}) …\n`);
  }

  update({ path }: HubFile, there: number): void {
    const now = Date.now();
    if (this.#stream.isTTY !== true || now - this.#shown < 200) return;
    this.#shown = now;
    const share = Math.floor((100 * (this.#before + there)) / Math.max(1, this.#total));
    this.#stream.write(`\r\u001b[K${share}% of ${bytes(this.#total)}: ${path}`);
  }

  done({ size }: HubFile): void {
    this.#before += size;
    if (this.#stream.isTTY === true && this.#before === this.#total) this.#stream.write('\r\u001b[K');
  }
}
