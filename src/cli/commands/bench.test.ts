import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../../test/cli.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { attentionCuts, toyFamily } from '../../../test/toy/families.js';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';
import type { PrefillResult } from '../../bench/prefill.js';
import type { ProfiledNode } from '../../bench/profile.js';

interface Result extends PrefillResult {
  readonly tail: string;
  readonly profile?: { readonly original: ProfiledNode[]; readonly rewritten: ProfiledNode[] };
}

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-bench-'));
  await writeFile(join(folder, 'in.onnx'), toyDecoder(toyFamily('gqa').config).bytes);
  // profiles go where temporary files go
  vi.stubEnv('TMPDIR', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** One of each set of inputs: positions of two or three axes or none, element types, num_logits_to_keep, states. */
const FAMILIES = [
  'gqa gemma',
  'gqa position_ids into the op',
  'gqa mrope',
  'gqa float16',
  'gqa float16, float32 embeddings',
  'gqa float16, float32 caches',
  'mha',
  'attention23 int4',
  'eager',
  'eager dynamic int8',
  'eager positions from the mask',
  'hybrid conv',
  'hybrid recurrence',
];

const SMALL = ['--image-tokens', '20', '--text-tokens', '9', '--rounds', '2'];

async function measured(file: string, ...flags: string[]): Promise<Result> {
  const { code, out, err } = await runCli('bench', file, ...SMALL, ...flags, '--json');
  expect({ code, err: err.replace(/^(prefill|decoding|profile of the \w+ decoder) …\n/gmu, '') }).toEqual({
    code: 0,
    err: '',
  });
  return JSON.parse(out) as Result;
}

describe('fastv bench', () => {
  it.each(FAMILIES)('feeds what "%s" declares: prefill and a decoding step', async (name) => {
    const { config } = toyFamily(name);
    const file = join(folder, 'toy.onnx');
    await writeFile(file, toyDecoder(config).bytes);
    const [layer = 1] = attentionCuts(config);
    const { rows, withoutTheory } = await measured(
      file,
      ...['-k', String(layer), '-r', '0,0.5', '--decode-rounds', '1', '--tail'],
    );
    const [original, none, half] = rows;
    expect(rows.map(({ ratio }) => ratio)).toEqual([undefined, 0, 0.5]);
    expect(rows.every(({ decode }) => (decode?.wall.median ?? 0) > 0)).toBe(true);
    // the caches of the run itself are what theory says: 29 tokens, then 19 from layer K on
    const caches = config.layers - config.layerKinds.filter((kind) => kind !== 'attention').length;
    const before = config.layerKinds.slice(0, layer).filter((kind) => kind !== 'attention').length;
    const token = (original?.kvBytes ?? 0) / (29 * caches);
    expect(none?.kvBytes).toBe(original?.kvBytes);
    expect(half?.kvBytes).toBe(token * (29 * (layer - before) + 19 * (caches - layer + before)));
    if (withoutTheory === undefined) expect(half?.theory?.kvBytes).toBe(half?.kvBytes);
    expect(withoutTheory === undefined).toBe(config.layerKinds.length === 0);
  });

  it('prints Markdown on standard output, and leaves nothing behind', async () => {
    const { code, out } = await runCli(
      'bench',
      join(folder, 'in.onnx'),
      ...SMALL,
      '--profile',
      '--tail',
      '-r',
      '0.5',
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^### in\.onnx: 20 image \+ 9 other tokens, K=2, last-token tail\n\n\| prefill /u);
    expect(out).toMatch(/^\| original +\| +\d/mu);
    expect(out).toMatch(/^\| R=0\.5 .* yes \|$/mu);
    expect(out).toMatch(/^\| GroupQueryAttention /mu);
    expect(out).toMatch(/^\| added by the rewrite +\| +nodes \|/mu);
    expect(out).not.toMatch(/\bNaN\b|undefined|Infinity/u);
    expect(await readdir(folder)).toEqual(['in.onnx']);
  });

  it('profiles: nodes by name, shares that add up, the rewrite told apart', async () => {
    const { profile } = await measured(join(folder, 'in.onnx'), '--profile');
    const own = profile?.rewritten.filter(({ name }) => name.startsWith('fastv/')) ?? [];
    expect(own.map(({ operator }) => operator)).toContain('TopK');
    expect(profile?.original.some(({ name }) => name.startsWith('fastv/'))).toBe(false);
    expect(profile?.original.every(({ provider }) => provider === 'CPUExecutionProvider')).toBe(true);
    const attention = profile?.original.filter(({ operator }) => operator === 'GroupQueryAttention');
    expect(attention).toHaveLength(4);
  });

  it('takes the embedded decoder, whose weights lie in the file itself', async () => {
    const { rows } = await measured(join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx'), '-r', '0.5');
    expect(rows[1]?.kvBytes).toBe(rows[1]?.theory?.kvBytes);
  });

  it.each([
    ['R out of range', ['-r', '0.5,2']],
    ['an R that is no number', ['-r', '']],
    ['K out of range', ['-k', '4']],
    ['K = 0', ['-k', '0']],
    ['no image tokens', ['--image-tokens', '0']],
    ['no rounds', ['--rounds', '0']],
    ['a device that is none', ['--device', 'tpu']],
  ])('%s: exit code 2', async (_, flags) => {
    const { code, out, err } = await runCli('bench', join(folder, 'in.onnx'), ...flags);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^error: /u);
    expect(err).not.toMatch(/\n\s+at /u);
  });

  it('refuses what is no decoder, what is absent, and what ONNX Runtime cannot load', async () => {
    expect((await runCli('bench', join(folder, 'no.onnx'))).code).toBe(1);
    await writeFile(join(folder, 'bad.onnx'), 'no model');
    expect((await runCli('bench', join(folder, 'bad.onnx'))).code).toBe(1);
    const vision = await runCli('bench', join(EMBEDDED_MODEL, 'onnx', 'vision_encoder.onnx'));
    expect(vision.code).toBe(1);
    expect(vision.err).toMatch(/^error: .*not a decoder/u);
    const { bytes } = toyDecoder({ ...toyFamily('gqa').config, dtype: 'bfloat16' });
    await writeFile(join(folder, 'bf16.onnx'), bytes);
    const bf16 = await runCli('bench', join(folder, 'bf16.onnx'));
    expect(bf16).toMatchObject({ code: 1, out: '' });
    expect(bf16.err).toMatch(/^error: (ONNX Runtime can't|the input)/u);
  });
});
