// Versions of packages as they are installed, wherever the package manager put them.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readRegularSync } from '../files/read.js';

/** Bytes of a package.json. */
const MOST = 2 ** 20;

/** The version of a package of ours, or of Transformers.js's; `unknown` where it is neither's, or in a bundle. */
export function installedVersion(name: string): string {
  try {
    const own = createRequire(import.meta.url);
    // with a strict package manager ONNX Runtime is within the reach of Transformers.js alone
    for (const require of [own, createRequire(own.resolve('@huggingface/transformers'))]) {
      const version = versionBy(require, name);
      if (version !== undefined) return version;
    }
  } catch {
    // no module has a place here: what is reported of versions goes on without
  }
  return 'unknown';
}

/** Not every package exports its package.json: it is looked for above the package's entry. */
function versionBy(require: NodeJS.Require, name: string): string | undefined {
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch {
    return undefined;
  }
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (!existsSync(file)) continue;
    const found = JSON.parse(new TextDecoder().decode(readRegularSync(file, MOST))) as {
      readonly name?: string;
      version?: string;
    };
    if (found.name === name) return found.version;
  }
  return undefined;
}
