/** What `fastv doctor` does. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { arch, availableParallelism, cpus, freemem, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { env } from '@huggingface/transformers';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';
import { installedVersion } from '../../runtime/installed.js';
import { nodeRuntime } from '../../runtime/node-session.js';
import { int8Products } from '../../runtime/processor.js';
import { processorClass } from '../../runtime/processor-class.js';
import { clearRewrites, listRewrites } from '../../runtime/rewrite-cache.js';
import { version } from '../../version.js';
import { configFile, defaultModel } from '../default-model.js';
import { bytes } from '../format.js';
import { hubSettings } from '../hub/settings.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';
import { modelCacheFolder } from '../transformers-env.js';

/** The flags of `fastv doctor`. */
export interface DoctorFlags {
  readonly clear?: boolean;
}

/** What int8 weights are worth on a processor, by how it adds up products (src/runtime/processor.ts). */
const INT8 = {
  exact: 'exact: int8 weights are right, and the fastest where the processor has VNNI or AMX',
  saturating: 'saturating: int8 weights are loaded as uint8, which is right and as fast as uint8',
} as const;

/** Prints what is here. */
export async function doctor(flags: DoctorFlags, terminal: Terminal): Promise<void> {
  const cleared = flags.clear === true ? await clearRewrites() : undefined;
  const found = await examine();
  terminal.result({ ...found, ...(cleared === undefined ? {} : { cleared }) }, () => {
    const { versions, machine, devices, video, caches, hub, problems } = found;
    return [
      ...table([
        ...Object.entries(versions),
        ['processor', `${machine.processor}, ${machine.threads} threads, ${machine.platform}`],
        ['processor class', `${machine.processorClass} (docs/performance.md has speeds by class)`],
        ['memory', `${bytes(machine.memory)}, ${bytes(machine.freeMemory)} free`],
        ['int8 products', INT8[machine.int8Products]],
        ['devices', devices.join(', ')],
        ['video', video ?? 'no ffmpeg: folders of frames and animated GIFs only'],
        ['models kept', `${bytes(caches.models.bytes)} in ${caches.models.folder}`],
        [
          'rewrites kept',
          `${bytes(caches.rewrites.bytes)} in ${caches.rewrites.files} files; --clear removes them`,
        ],
        ['hub', `${hub.endpoint}${hub.token ? ', with a token' : ''}${hub.offline ? ', offline' : ''}`],
        ['default model', hub.model ?? `the bundled one (FASTV_MODEL or ${configFile()} name another)`],
      ]),
      ...(cleared === undefined
        ? []
        : [`${cleared.length} rewritten decoders removed, ${bytes(sum(cleared))}`]),
      ...(problems.length === 0 ? ['no problems found'] : problems.map((problem) => `problem: ${problem}`)),
    ].join('\n');
  });
}

async function examine() {
  const settings = hubSettings();
  const folder = modelCacheFolder(settings);
  const rewrites = await listRewrites();
  const runtime = await nodeRuntime();
  const video = versionOf('ffmpeg');
  const problems = [
    ...(existsSync(join(EMBEDDED_MODEL, 'config.json'))
      ? []
      : ['the bundled model is missing: install again']),
    ...(video !== undefined && versionOf('ffprobe') === undefined
      ? ['ffmpeg is here and ffprobe is not: videos need both']
      : []),
  ];
  return {
    versions: {
      fastv: version,
      node: process.versions.node,
      'transformers.js': env.version,
      'onnxruntime-node': installedVersion('onnxruntime-node'),
      sharp: installedVersion('sharp'),
    },
    machine: {
      platform: `${platform()} ${arch()}`,
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      processorClass: await processorClass(),
      threads: availableParallelism(),
      memory: totalmem(),
      freeMemory: freemem(),
      int8Products: await int8Products(runtime.InferenceSession),
    },
    devices: runtime.listSupportedBackends().map(({ name }) => name),
    video: video ?? null,
    caches: {
      models: { folder, bytes: await sizeOf(folder) },
      rewrites: { files: rewrites.length, bytes: sum(rewrites) },
    },
    hub: {
      endpoint: settings.endpoint,
      token: settings.token !== undefined,
      offline: settings.offline,
      model: defaultModel() ?? null,
    },
    problems,
  };
}

/** A program's own word for its version; undefined if it is not installed. */
function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ['-version'], { encoding: 'utf8', timeout: 5000 });
  return status === 0 ? (stdout.split('\n')[0] ?? program) : undefined;
}

/** Bytes of all files in a folder; links are not followed. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let all = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    all += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  }
  return all;
}

function sum(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((all, file) => all + file.bytes, 0);
}
