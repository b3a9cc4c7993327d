// Hostile input: whatever a file says, the rewrite ends with a rewritten model or a FastvError, soon, and leaves no
// partial file behind. FASTV_FUZZ=10000 tries that many mutations of graphs; by default there are some thousands.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { FastvError } from '../src/errors.js';
import { concatChunks, decodeModel, encodeModel, externalTensors } from '../src/onnx/index.js';
import { inspectDecoder, rewriteDecoder, type RewriteOptions } from '../src/rewrite/index.js';
import { byteMutations, fieldMutations, mutateFields } from './mutations.js';
import { toyDecoder } from './toy/decoder.js';
import { attentionCuts, toyFamily } from './toy/families.js';
import { seededRandom, type Random } from './toy/random.js';

/** Small weights, so that damage meets structure. */
const small = { hidden: 8, mlp: 8, vocab: 8, maxPositions: 4 } as const;

const decoders = [
  'gqa',
  'gqa packed',
  'gqa gemma',
  'gqa mrope',
  'gqa rotary outside, positions from the mask',
  'mha',
  'mha past outside 4d',
  'attention23 3d',
  'attention23 bool mask',
  'eager 5d',
  'eager sink',
  'eager positions from the past',
  'sdpa nan guard',
  'hybrid recurrence',
  'hybrid conv',
].map((name) => {
  const family = toyFamily(name);
  const config = { ...family.config, ...small, layers: family.config.layerKinds.length > 0 ? 5 : 3 };
  return { name, cuts: attentionCuts(config), bytes: toyDecoder(config).bytes };
});

const KINDS = Object.keys(byteMutations).length + Object.keys(fieldMutations).length;

/** How many seeds a kind of mutation has for each decoder, where it usually has so many. */
function seeds(usual: number): number {
  return Math.max(usual, Math.ceil(Number(process.env['FASTV_FUZZ'] ?? 0) / (KINDS * decoders.length)));
}

/** Milliseconds that so many more mutations may take. */
const LIMIT = 60_000 + 20 * Number(process.env['FASTV_FUZZ'] ?? 0);

/** Longer than any of these takes on a busy machine; a hang is far beyond it. */
const SECONDS = 5;

const accepted: Uint8Array[] = [];

/** Rewrites, and says how it ended. Anything but a result or a FastvError is thrown on, with the seed that led to it. */
function attempt(what: string, bytes: Uint8Array, options: RewriteOptions, inspects: boolean): string {
  const start = performance.now();
  try {
    const model = decodeModel(bytes);
    externalTensors(model);
    if (inspects) inspectDecoder(model);
    accepted.push(concatChunks(encodeModel(rewriteDecoder(model, options).model)));
    return 'rewritten';
  } catch (error) {
    if (error instanceof FastvError) return error.code;
    throw new Error(`${what} ended in ${String(error)}`, { cause: error });
  } finally {
    expect((performance.now() - start) / 1000, `seconds for ${what}`).toBeLessThan(SECONDS);
  }
}

function someOptions(cuts: readonly number[], random: Random): RewriteOptions {
  const layer = cuts[Math.floor(random() * cuts.length)] ?? 1;
  const mode = random() < 0.2 ? 'mask' : 'drop';
  const draw = random();
  if (draw < 0.15) return { stages: [{ layer: 0 }], strategy: 'external', mode };
  if (draw < 0.3) return { stages: cuts.slice(0, 2).map((k) => ({ layer: k })), mode };
  return { stages: [{ layer }], mode, strategy: draw < 0.4 ? 'key-norm' : 'attention' };
}

describe.each(decoders)('$name', ({ name, cuts, bytes }) => {
  const other = decoders[(decoders.findIndex((d) => d.name === name) + 1) % decoders.length]?.bytes ?? bytes;

  it('is rewritten as it is', () => {
    const stages = [{ layer: cuts[0] ?? 1 }];
    expect(attempt(name, bytes, { stages }, true)).toBe('rewritten');
  });

  it('bytes damaged', { timeout: LIMIT }, () => {
    const ends = new Set<string>();
    for (const [kind, mutation] of Object.entries(byteMutations)) {
      for (let seed = 0; seed < seeds(8); seed++) {
        const random = seededRandom(seed * 104729 + kind.length);
        const mutant = mutation(bytes, random, other);
        ends.add(attempt(`${kind}, seed ${seed}`, mutant, someOptions(cuts, random), seed === 0));
      }
    }
    expect(ends).toContain('malformed-model');
  });

  it('fields damaged', { timeout: LIMIT }, () => {
    const ends = new Set<string>();
    for (const [kind, mutation] of Object.entries(fieldMutations)) {
      for (let seed = 0; seed < seeds(kind === 'two at once' ? 20 : 3); seed++) {
        const random = seededRandom(seed * 15485863 + kind.length);
        const mutant = mutateFields(bytes, mutation, random);
        ends.add(attempt(`${kind}, seed ${seed}`, mutant, someOptions(cuts, random), seed === 0));
      }
    }
    expect(ends).toContain('malformed-model');
    expect(ends).toContain('unsupported-decoder');
    expect(ends).toContain('external-data');
    expect(ends).toContain('rewritten');
  });
});

describe('options', () => {
  const model = decodeModel(decoders[0]?.bytes ?? new Uint8Array());
  it.each<[string, RewriteOptions]>([
    ...[-1, 3, 4, 1e9, 0.5, Number.NaN, Infinity, -Infinity].map((layer): [string, RewriteOptions] => [
      `K = ${layer}`,
      { stages: [{ layer }] },
    ]),
    ['K = 0 with attention', { stages: [{ layer: 0 }] }],
    ['no stage', { stages: [] }],
    ['stages that descend', { stages: [{ layer: 2 }, { layer: 1 }] }],
    ['a stage twice', { stages: [{ layer: 1 }, { layer: 1 }] }],
    ['an unknown strategy', { stages: [{ layer: 1 }], strategy: 'constructor' }],
  ])('%s is refused', (_, options) => {
    expect(() => rewriteDecoder(model, options)).toThrow(
      expect.objectContaining({ name: 'FastvError', code: 'invalid-option' }),
    );
  });
});

describe('files', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-fuzz-'));
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.spyOn(console, 'log').mockReturnValue();
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true });
  });

  it('leave a whole output or none', async () => {
    const input = join(folder, 'in.onnx');
    const output = join(folder, 'out.onnx');
    const codes = new Set<number>();
    const kinds = Object.entries(fieldMutations);
    for (let seed = 0; seed < 80; seed++) {
      const [kind, mutation] = kinds[seed % kinds.length] ?? [];
      const { bytes } = decoders[seed % decoders.length] ?? { bytes: new Uint8Array() };
      if (mutation === undefined) continue;
      await writeFile(input, mutateFields(bytes, mutation, seededRandom(seed)));
      const code = await main(['rewrite', input, '-o', output, '--layer', '2']);
      codes.add(code);
      const left = await readdir(folder);
      expect(left, `${kind ?? ''}, seed ${seed}`).toEqual(code === 0 ? ['in.onnx', 'out.onnx'] : ['in.onnx']);
      if (code !== 0) continue;
      expect(decodeModel(await readFile(output)).graph.input.map(({ name }) => name)).toContain(
        'prune_ratio',
      );
      await rm(output);
    }
    expect(codes).toEqual(new Set([0, 1]));
  });
});

describe('mutants that were accepted', () => {
  it('are loaded by ONNX Runtime, or refused by an ordinary error', async () => {
    const sample = accepted.filter((_, i) => i % Math.ceil(accepted.length / 30) === 0);
    expect(sample.length).toBeGreaterThan(15);
    for (const bytes of sample) {
      try {
        const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
        expect(session.outputNames).toContain('kept_indices');
        await session.release();
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });
});
