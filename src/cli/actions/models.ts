/** What `fastv models` does. */
import { FastvError } from '../../errors.js';
import { bytes, percent } from '../format.js';
import { CURATED_MODELS } from '../hub/curated.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv models`. */
export interface ModelsFlags {
  readonly allowNetwork?: boolean;
}

/** Prints the list, or what the hub says of one model. */
export async function models(
  name: string | undefined,
  flags: ModelsFlags,
  terminal: Terminal,
): Promise<void> {
  if (name !== undefined) {
    await sizes(name, flags, terminal);
    return;
  }
  terminal.result({ models: CURATED_MODELS }, () => {
    const head = ['model', 'licence', 'decoder', 'its files, MB', 'tokens of a photo', 'FLOPs saved'];
    const rows = CURATED_MODELS.map((model) => [
      model.name,
      `${model.licence}${model.gated ? ', gated' : ''}`,
      model.decoderParameters === null ? '—' : `${(model.decoderParameters / 1e6).toFixed(0)}M`,
      Object.entries(model.decoderMegabytes)
        .map(([dtype, size]) => `${dtype} ${size}`)
        .join(', ') || '—',
      model.photoTokens === null ? '—' : String(model.photoTokens),
      model.flopsSaved === null ? '—' : percent(model.flopsSaved),
    ]);
    return [
      ...table([head, ...rows]),
      '',
      'A photo has 1024×768 pixels; FLOPs are those of the prefill, saved at K = 2, R = 50 %. Get one with',
      `fastv pull ${CURATED_MODELS[0]?.name ?? 'NAME'} --dtype q4`,
    ].join('\n');
  });
}

async function sizes(model: string, flags: ModelsFlags, terminal: Terminal): Promise<void> {
  if (flags.allowNetwork !== true) {
    throw new FastvError('invalid-option', 'asking the hub needs permission', {
      where: model,
      hint: 'add --allow-network',
    });
  }
  const [{ hubFetch }, { bytesByDtype }, { checkName, isGated, listFiles }, { hubSettings }] =
    await Promise.all([
      import('../hub/fetch.js'),
      import('../hub/model-files.js'),
      import('../hub/repository.js'),
      import('../hub/settings.js'),
    ]);
  checkName(model);
  const settings = hubSettings();
  const fetch = hubFetch(settings);
  const files = await listFiles({ model, revision: 'main' }, fetch, settings);
  const gated = await isGated({ model }, fetch, settings);
  const byDtype = bytesByDtype(files);
  terminal.result({ model, gated, bytes: byDtype }, () =>
    [
      ...(gated === true ? [`gated: accept its terms at ${settings.endpoint}/${model}`] : []),
      Object.keys(byDtype).length === 0
        ? `${model} has no ONNX files in Transformers.js's layout`
        : table(Object.entries(byDtype).map(([dtype, size]) => [dtype, bytes(size)])).join('\n'),
    ].join('\n'),
  );
}
