// The user's own folder for what can be made again. What lies in it is believed, so it must belong to the user alone:
// a folder that others may write to is as good as a stranger's.
import { lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { makeFolder } from './make-folder.js';

/**
 * Where fastv keeps what can be made again: `FASTV_CACHE`, else the place that the system has for such things
 * (`$XDG_CACHE_HOME/fastv`, `~/.cache/fastv`, `~/Library/Caches/fastv`, `%LOCALAPPDATA%\fastv\Cache`).
 */
function userCacheFolder(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  const own = env['FASTV_CACHE'] ?? '';
  if (own !== '') return own;
  const local = env['LOCALAPPDATA'] ?? '';
  if (platform === 'win32' && local !== '') return join(local, 'fastv', 'Cache');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'fastv');
  const xdg = env['XDG_CACHE_HOME'] ?? '';
  // the specification tells programs to ignore relative paths in it
  return join(xdg.startsWith('/') ? xdg : join(homedir(), '.cache'), 'fastv');
}

/**
 * A folder in the user's cache, made if it is not there.
 * @throws {FastvError} `io` if it cannot be made, or others may write to it
 */
export async function ownCacheFolder(name: string): Promise<string> {
  const folder = userCacheFolder();
  const path = join(folder, name);
  await makeFolder(path, { mode: 0o700 });
  for (const part of [folder, path]) refuseShared(part);
  return path;
}

function refuseShared(folder: string): void {
  const { mode, uid } = lstatSync(folder);
  const user = process.getuid?.();
  if (user === undefined || (uid === user && (mode & 0o022) === 0)) return;
  throw new FastvError('io', 'the cache can be written to by others', {
    where: folder,
    hint: 'Make it your own (chown, chmod go-w), or name another folder in FASTV_CACHE.',
  });
}
