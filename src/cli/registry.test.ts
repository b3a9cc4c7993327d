// What is imported before a command runs: nobody waits for what they did not ask for.
import { readdirSync } from 'node:fs';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { COMMANDS, loadCommand } from './registry.js';
import { Terminal } from './terminal.js';

/** Packages that take longer to import than a whole `fastv --help` may. */
const HEAVY =
  /^(@huggingface\/transformers|onnxruntime-\w+|sharp|apache-arrow|onnx-buf|@bufbuild\/protobuf|hyparquet|@observablehq\/plot|linkedom|hono|@hono\/.+|zod|pino|prom-client)/u;

/** The packages that modules import before anything of theirs runs. */
async function importedAtOnce(...modules: readonly string[]): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [...modules],
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: 'out',
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const found = new Set<string>();
  const visit = (output: string, seen = new Set<string>()): void => {
    if (seen.has(output)) return;
    seen.add(output);
    for (const { path, kind, external } of metafile.outputs[output]?.imports ?? []) {
      if (kind !== 'import-statement') continue;
      if (external === true) found.add(path);
      else visit(path, seen);
    }
  };
  for (const [output, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint !== undefined && modules.includes(entryPoint)) visit(output);
  }
  return [...found];
}

it('imports nothing heavy for --version, --help, COMMAND --help and cost', async () => {
  const commands = readdirSync('src/cli/commands')
    .filter((name) => !name.endsWith('.test.ts'))
    .map((name) => `src/cli/commands/${name}`);
  expect(commands).toHaveLength(COMMANDS.length);
  const light = await importedAtOnce('src/cli/main.ts', 'src/cli/actions/cost.ts', ...commands);
  expect(light).toContain('commander');
  expect(light.filter((name) => HEAVY.test(name))).toEqual([]);
  // what this test would see if there were anything to see
  expect(await importedAtOnce('src/cli/actions/run.ts')).toContain('@huggingface/transformers');
});

it('knows each command by the name that it has itself', async () => {
  const terminal = new Terminal({ json: false, quiet: false });
  for (const entry of COMMANDS) {
    const command = await loadCommand(entry, terminal);
    expect(command.name()).toBe(entry.name);
    const options = command.options.map(({ long }) => long);
    expect(options).toEqual(expect.arrayContaining(['--json', '--quiet']));
  }
});
