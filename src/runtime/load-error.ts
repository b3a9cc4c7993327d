// What Transformers.js says when it cannot load a model or a processor, as an error that names it and what to do.
import { FastvError } from '../errors.js';
import { reasonOf } from './tell.js';

/**
 * What `from_pretrained` throws, typed; a `FastvError`, or the reason of an abort, stays as it is.
 * @param name the model's
 */
export function loadError(cause: unknown, name: string): unknown {
  if (cause instanceof FastvError || !(cause instanceof Error) || cause.name === 'AbortError') return cause;
  const reason = reasonOf(cause);
  // the class is one of Transformers.js's, of whichever copy
  if (cause.name === 'ModelFileNotFoundError') {
    const file = /([^/"]+\.onnx(?:_data\w*)?)"/u.exec(reason)?.[1];
    return new FastvError(
      'io',
      file === undefined ? 'there is no such model' : `the model has no file ${file}`,
      {
        where: name,
        hint:
          file === undefined
            ? 'Check the name or the path, and whether models may be fetched (env.allowRemoteModels, local_files_only).'
            : 'Choose a dtype that the model has.',
        cause,
      },
    );
  }
  if (reason.startsWith('Unsupported device')) {
    return new FastvError('invalid-option', reason, {
      where: 'device',
      hint: 'Leave device out for the default.',
      cause,
    });
  }
  return new FastvError('io', `the model cannot be loaded: ${reason}`, {
    where: name,
    hint: 'It must be an image-text model in the layout of Transformers.js (config.json, onnx/…).',
    cause,
  });
}
