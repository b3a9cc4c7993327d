// Leaves out of a build the declarations (.d.ts) that no export leads to: nobody's TypeScript reads them, and hundreds of
// small files take a megabyte and more of a disk's blocks. `npm run build` runs this; the packages are made of its result.
//
//     node scripts/prune-declarations.mjs [FOLDER]
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @param folder a package's, with its package.json and its dist/ */
function pruneDeclarations(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const needed = new Set();
  const todo = typesOf(exports);
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    const path = join(folder, file);
    if (needed.has(path)) continue;
    needed.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, to] of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/gu))
      todo.push(relative(folder, join(dirname(path), `${to}.d.ts`)));
  }
  const dist = join(folder, 'dist');
  for (const name of readdirSync(dist, { recursive: true }))
    if (name.endsWith('.d.ts') && !needed.has(join(dist, name))) rmSync(join(dist, name));
}

/** Every declaration that a package's exports name. */
function typesOf(value) {
  return Object.entries(value).flatMap(([condition, target]) => {
    if (typeof target !== 'string') return typesOf(target);
    return condition === 'types' ? [target] : [];
  });
}

pruneDeclarations(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
