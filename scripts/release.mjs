// Prepares a release: one version in every package, and what was unreleased in CHANGELOG.md under it.
//
//     node scripts/release.mjs VERSION      then commit, and push the tag vVERSION: .github/workflows/release.yml publishes
//     node scripts/release.mjs --check      whether packages and CHANGELOG.md are of one version
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const read = (name) => readFileSync(new URL(name, root), 'utf8');
const PACKAGES = ['fastv-scenes', 'fastv-lab', 'fastv-server'].map((name) => `packages/${name}/package.json`);
const SOURCE = 'src/version.ts';
const CHANGES = 'CHANGELOG.md';

const [given = ''] = process.argv.slice(2);
const { version: current } = JSON.parse(read('package.json'));
if (given === '--check') check(current);
else if (/^\d+\.\d+\.\d+(-[\w.]+)?$/u.test(given)) prepare(given);
else fail('give a version, for example 0.2.0, or --check');

function prepare(version) {
  const changes = read(CHANGES);
  if (!/^## Unreleased\n\n\S/mu.test(changes)) fail(`${CHANGES} has nothing under "## Unreleased"`);
  const today = new Date().toISOString().slice(0, 10);
  write(CHANGES, changes.replace('## Unreleased\n', `## Unreleased\n\n## ${version} (${today})\n`));
  for (const name of ['package.json', ...PACKAGES]) {
    const text = read(name).replace(`"version": "${current}"`, `"version": "${version}"`);
    // the demo's model is of the version that shows it
    write(name, text.replace(`"fastv-scenes": "${current}"`, `"fastv-scenes": "${version}"`));
  }
  write(SOURCE, read(SOURCE).replace(`'${current}'`, `'${version}'`));
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], { cwd: fileURLToPath(root) });
  check(version);
}

function check(version) {
  for (const name of PACKAGES) {
    const { version: own } = JSON.parse(read(name));
    if (own !== version) fail(`${name} is ${own}, package.json is ${version}`);
  }
  if (!read(SOURCE).includes(`'${version}'`)) fail(`${SOURCE} is of another version than ${version}`);
  if (!read(CHANGES).includes(`\n## ${version} (`)) fail(`${CHANGES} says nothing of ${version}`);
}

function write(name, text) {
  writeFileSync(new URL(name, root), text);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
