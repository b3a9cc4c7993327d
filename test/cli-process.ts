// The command line as a process of its own: streams, signals and exit codes as a shell sees them.
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Bundles the program as it is now, its dynamic imports apart; what it returns must be removed. */
export async function buildCli(): Promise<{ readonly program: string; remove(): void }> {
  // two levels below the root, as the sources are: the embedded model is found from there
  const folder = join(process.cwd(), 'node_modules', '.cache');
  const name = `fastv-cli-${process.pid}`;
  const { metafile } = await build({
    stdin: {
      contents: `import { run } from './src/cli/process.ts'; await run(process.argv.slice(2));`,
      resolveDir: process.cwd(),
    },
    outdir: folder,
    entryNames: name,
    chunkNames: `${name}-[hash]`,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    metafile: true,
    logLevel: 'error',
  });
  return {
    program: join(folder, `${name}.mjs`),
    remove: () => {
      for (const file of Object.keys(metafile.outputs)) rmSync(file, { force: true });
    },
  };
}

/** A process that runs, and its end. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a shell command in which `fastv` is the program. */
export function startCli(
  program: string,
  command: string,
  env: Readonly<Record<string, string>> = {},
): Running {
  const script = `fastv() { ${JSON.stringify(process.execPath)} ${JSON.stringify(program)} "$@"; }\n${command}`;
  const child = spawn('bash', ['-c', script], {
    env: { ...process.env, ...env },
    detached: true,
    timeout: 120_000,
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, out, err });
    });
  });
  return { child, ended };
}
