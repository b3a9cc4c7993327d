/** Loading the model that a command's flags mean. */
import { ModelFileNotFoundError } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { lfsPointerIn, modelNameOrFolder } from '../files/model-name.js';
import { LFS_HINT } from '../lfs-pointer.js';
import type { LoadOptions } from '../media/index.js';
import { printable, printableLine } from '../printable.js';
import { Conversation } from '../runtime/conversation.js';
import { embeddedModel } from '../runtime/embedded.js';
import { openModel, type OpenedModel } from '../runtime/model.js';
import { nodeRuntime } from '../runtime/node-session.js';
import { defaultDtype } from '../runtime/model-folder.js';
import type { PlugOptions, WarningListener } from '../runtime/options.js';
import { hubFetch } from './hub/fetch.js';
import { hubSettings } from './hub/settings.js';
import type { ModelFlags } from './options/model.js';
import { methodOf } from './options/strategy.js';
import { prepareTransformers } from './transformers-env.js';

/** The plug's options as the flags say. */
export function plugOptions(flags: ModelFlags): PlugOptions {
  const { seed } = flags;
  return {
    ...howOf(flags),
    ...(seed === undefined ? {} : { seed }),
    // the embedded model's folder belongs to the installation; its rewrite takes no time
    cache: flags.model !== undefined,
    onWarning: warningsOn(process.stderr, flags),
  };
}

/** At which layers how much stays, by which rule: a schedule says that itself. */
function howOf(flags: ModelFlags): PlugOptions {
  const { schedule, ...method } = methodOf(flags);
  if (schedule !== undefined) return { ...method, preset: schedule };
  const { layer, budget, mass } = flags;
  const much = mass === undefined ? { ratio: flags.ratio ?? 0.5 } : { mass };
  return { layer, ...method, ...(budget === undefined ? much : { budget }) };
}

/**
 * Writes warnings, each text once. Of the embedded model's weights nothing is said: it is small enough for every format.
 * @param flags with the model that was named, if one was
 */
export function warningsOn(
  stream: { write(text: string): unknown },
  flags: { readonly model?: string },
): WarningListener {
  const said = new Set<string>();
  return (message, kind) => {
    if (said.has(message) || (flags.model === undefined && kind === 'slow-weights')) return;
    said.add(message);
    stream.write(`warning: ${printable(message)}\n`);
  };
}

/** How pictures are loaded, as the flags say: through the proxies of the environment, as models are. */
export function mediaOptions({ frames, allowNetwork = false }: ModelFlags): LoadOptions {
  return { frames, allowNetwork, fetch: hubFetch(hubSettings()) };
}

/** Transformers.js's options as the flags say. */
export function loadingOptions(flags: ModelFlags): Record<string, unknown> {
  return {
    device: flags.device ?? 'cpu',
    dtype: flags.dtype ?? defaultDtype(flags.model),
    progress_callback: flags.model !== undefined && process.stderr.isTTY ? progress : null,
  };
}

/** The folder or name of the model that the flags mean, and its processor. */
export async function openConversation(
  flags: ModelFlags,
): Promise<{ name: string; conversation: Conversation }> {
  prepareTransformers(flags);
  const name = flags.model === undefined ? embeddedModel() : modelNameOrFolder(flags.model);
  return { name, conversation: await loading(name, flags, () => Conversation.load(name)) };
}

/** Runs a load; where a flag has to do with what went wrong, the error names it. */
export async function loading<T>(
  name: string,
  flags: Pick<ModelFlags, 'allowNetwork' | 'device'>,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    const { cause } = error;
    // a file that is a pointer is there, and is no model
    const pointer =
      error.code === 'malformed-model' || cause instanceof Error ? await lfsPointerIn(name) : undefined;
    if (pointer !== undefined) {
      const message = 'the model cannot be loaded: this is a pointer of Git LFS, not the file';
      throw new FastvError('io', message, { where: pointer, hint: LFS_HINT, cause: error });
    }
    if (cause instanceof ModelFileNotFoundError) throw notFound(error, flags);
    if (error.code === 'invalid-option' && cause !== undefined && flags.device !== undefined)
      throw await deviceError(flags.device, error);
    throw error;
  }
}

/** A model, or a file of it, that is not there. */
function notFound(error: FastvError, { allowNetwork }: Pick<ModelFlags, 'allowNetwork'>): FastvError {
  const { message, where = '', cause } = error;
  const say = (text: string, hint: string): FastvError => new FastvError('io', text, { where, hint, cause });
  if (message.startsWith('the model has no file'))
    return say(message, 'Choose a --dtype that the model has.');
  return allowNetwork === true
    ? say(
        'the model cannot be loaded: there is no such model',
        'Check the name; a private model needs HF_TOKEN.',
      )
    : say(
        'the model cannot be loaded: there is no such model on this machine',
        'Check the path; a model of the hub that is not in the cache yet needs --allow-network.',
      );
}

/** A device that is not there, or that cannot run the model. */
async function deviceError(device: string, error: FastvError): Promise<FastvError> {
  const here = (await nodeRuntime()).listSupportedBackends().map(({ name }) => name);
  return new FastvError('invalid-option', error.message, {
    where: `--device ${device}`,
    hint: `This ONNX Runtime has ${here.join(', ')}; each but cpu needs its hardware and drivers.`,
    cause: error,
  });
}

function progress(event: { status?: string; file?: string; progress?: number }): void {
  if (event.status !== 'progress' || event.file === undefined) return;
  process.stderr.write(`\r\u001b[K${printableLine(event.file)} ${Math.round(event.progress ?? 0)}%`);
  if (event.progress === 100) process.stderr.write('\n');
}

/** Opens the model as it is. */
export function openOriginal(
  name: string,
  flags: ModelFlags,
  conversation: Conversation,
): Promise<OpenedModel> {
  return loading(name, flags, () => openModel(name, { loading: loadingOptions(flags), conversation }));
}

/** Opens the model with FastV. */
export function openPruned(
  name: string,
  flags: ModelFlags,
  conversation: Conversation,
): Promise<OpenedModel> {
  return loading(name, flags, () =>
    openModel(name, { fastv: plugOptions(flags), loading: loadingOptions(flags), conversation }),
  );
}
