// Makes `npx fastv` in a checkout run this checkout at once. Without it npx would install the package into its own
// cache first, building it again, and one failure there would break every later call.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
if (existsSync(join(root, 'node_modules'))) {
  const folder = join(root, 'node_modules', '.bin');
  mkdirSync(folder, { recursive: true });
  if (process.platform === 'win32') {
    writeFileSync(join(folder, 'fastv.cmd'), '@node "%~dp0\\..\\..\\bin\\fastv.js" %*\r\n');
  } else {
    rmSync(join(folder, 'fastv'), { force: true });
    symlinkSync(join('..', '..', 'bin', 'fastv.js'), join(folder, 'fastv'));
  }
}
