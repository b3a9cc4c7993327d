// Where a model's weight files may lie. ONNX Runtime's own rule: in the model's folder or, where the model is a link (as
// in the Hugging Face hub's cache, whose snapshots link to blobs), in the folder of the file that it leads to; links
// followed in both. (onnxruntime#27374; its "escapes model directory" is what breaks it.)
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from './file-error.js';

/**
 * The folders, as real paths, in one of which the real path of each of a model's weight files must lie.
 * @throws {FastvError} `io` if the model is not there
 */
export function modelRoots(model: string): readonly string[] {
  try {
    const folder = realpathSync(dirname(model));
    const real = dirname(realpathSync(model));
    return real === folder ? [folder] : [folder, real];
  } catch (cause) {
    throw fileError('read', model, cause);
  }
}
