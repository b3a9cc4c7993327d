import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FIXTURES } from '../../../test/vlm-golden.js';
import { decodeModel } from '../../onnx/index.js';
import { build } from '../build.js';

const LLAVA = join(FIXTURES, 'llava');
const WEIGHT = 'language_model.model.layers.1.self_attn.q_proj';
const SIZE = 64;
const RANK = 2;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-adapter-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A file of float32 tensors. */
function safetensors(
  tensors: Readonly<Record<string, { dims: number[]; values: Float32Array }>>,
): Uint8Array {
  let offset = 0;
  const header = Object.entries(tensors).map(([name, { dims, values }]) => {
    const data_offsets = [offset, (offset += values.byteLength)];
    return [name, { dtype: 'F32', shape: dims, data_offsets }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const bytes = Object.values(tensors).map(({ values }) => Buffer.from(values.buffer));
  return Buffer.concat([size, text, ...bytes]);
}

const values = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i) / 8);
const down = values(RANK * SIZE, 1);
const up = values(SIZE * RANK, 2);

function adapter(config: object, module = WEIGHT): string {
  const to = join(folder, 'adapter');
  mkdirSync(to);
  const name = `base_model.model.${module}`;
  writeFileSync(
    join(to, 'adapter_model.safetensors'),
    safetensors({
      [`${name}.lora_A.weight`]: { dims: [RANK, SIZE], values: down },
      [`${name}.lora_B.weight`]: { dims: [SIZE, RANK], values: up },
    }),
  );
  writeFileSync(
    join(to, 'adapter_config.json'),
    JSON.stringify({ peft_type: 'LORA', r: RANK, lora_alpha: 4, ...config }),
  );
  return to;
}

/** A weight of a built part, [inputs, outputs]. */
function weightOf(model: string, part = 'decoder_model_merged', module = WEIGHT): Float32Array {
  const file = join(model, `onnx/${part}.onnx`);
  const tensor = decodeModel(readFileSync(file)).graph.initializer.find(
    ({ name }) => name === `${module}.weight`,
  );
  const entry = (key: string): number => Number(tensor?.externalData.find((pair) => pair.key === key)?.value);
  const data = readFileSync(`${file}_data`).subarray(entry('offset'), entry('offset') + entry('length'));
  return new Float32Array(Uint8Array.from(data).buffer);
}

describe('a LoRA adapter', () => {
  it.each([
    [{}, 4 / RANK],
    [{ use_rslora: true }, 4 / Math.sqrt(RANK)],
    [{ alpha_pattern: { 'layers.1.self_attn.q_proj': 6 } }, 6 / RANK],
  ])('is merged into its weight: %j', async (config, scale) => {
    await build(LLAVA, join(folder, 'plain'));
    await build(LLAVA, join(folder, 'merged'), { adapter: adapter(config) });
    const [plain, merged] = [weightOf(join(folder, 'plain')), weightOf(join(folder, 'merged'))];
    for (let i = 0; i < SIZE; i++) {
      for (let o = 0; o < SIZE; o++) {
        const change = (up[o * RANK] ?? 0) * (down[i] ?? 0) + (up[o * RANK + 1] ?? 0) * (down[SIZE + i] ?? 0);
        expect(merged[i * SIZE + o]).toBeCloseTo((plain[i * SIZE + o] ?? 0) + scale * change, 5);
      }
    }
  });

  it('replaces a module that was trained as a whole', async () => {
    const to = adapter({ modules_to_save: ['linear_1'] });
    const [weight, bias] = [values(SIZE * 48, 3), values(SIZE, 4)];
    const name = 'base_model.model.multi_modal_projector.linear_1';
    writeFileSync(
      join(to, 'adapter_model.safetensors'),
      safetensors({
        [`${name}.weight`]: { dims: [SIZE, 48], values: weight },
        [`${name}.modules_to_save.bias`]: { dims: [SIZE], values: bias },
      }),
    );
    await build(LLAVA, join(folder, 'merged'), { adapter: to });
    const { graph } = decodeModel(readFileSync(join(folder, 'merged/onnx/vision_encoder.onnx')));
    const added = graph.initializer.find((one) => one.name === 'multi_modal_projector.linear_1.bias');
    expect(new Float32Array(Uint8Array.from(added?.rawData ?? []).buffer)).toEqual(bias);
    const turned = weightOf(join(folder, 'merged'), 'vision_encoder', 'multi_modal_projector.linear_1');
    expect(turned[SIZE]).toBe(weight[1]); // [inputs, outputs]
  });

  it('with the names of newer versions of transformers fits a checkpoint with older ones', async () => {
    const newer = WEIGHT.replace('language_model.model', 'model.language_model');
    await build(LLAVA, join(folder, 'plain'));
    await build(LLAVA, join(folder, 'merged'), { adapter: adapter({}, newer) });
    expect(weightOf(join(folder, 'merged'))).not.toEqual(weightOf(join(folder, 'plain')));
  });

  it.each([
    [{ use_dora: true }, WEIGHT, /"use_dora" is true/],
    [{ peft_type: 'IA3' }, WEIGHT, /"peft_type" is "IA3"/],
    [{ bias: 'all' }, WEIGHT, /"bias" is "all"/],
    [{ fan_in_fan_out: true }, WEIGHT, /"fan_in_fan_out" is true/],
    [{ alpha_pattern: { '^.*q_proj': 6 } }, WEIGHT, /"alpha_pattern" is .*no regular expressions/],
    [{ r: 3 }, WEIGHT, /rank .* is 2, and said to be 3/],
    [{}, `${WEIGHT}s`, /which the checkpoint does not have/],
    [{}, WEIGHT.replace('self_attn.q_proj', 'mlp.up_proj'), /do not fit \[144, 64\]/],
  ])('that cannot be merged is refused: %j %s', async (config, module, message) => {
    const building = build(LLAVA, join(folder, 'model'), { adapter: adapter(config, module) });
    await expect(building).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual(['adapter']);
  });
});

describe('a checkpoint with the names that newer versions of transformers save', () => {
  it('is the same model', async () => {
    const to = join(folder, 'checkpoint');
    mkdirSync(to);
    for (const name of readdirSync(LLAVA).filter((one) => !one.startsWith('golden'))) {
      cpSync(join(LLAVA, name), join(to, name));
    }
    const renamed = (text: string): string =>
      text
        .replaceAll('"language_model.model.', '"model.language_model.')
        .replaceAll('"language_model.lm_head', '"lm_head')
        .replaceAll('"vision_tower.vision_model.', '"model.vision_tower.')
        .replaceAll('"multi_modal_projector', '"model.multi_modal_projector');
    const index = join(to, 'model.safetensors.index.json');
    writeFileSync(index, renamed(readFileSync(index, 'utf8')));
    for (const shard of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']) {
      const bytes = readFileSync(join(to, shard));
      const length = Number(bytes.readBigUInt64LE(0));
      const text = Buffer.from(renamed(bytes.toString('utf8', 8, 8 + length)));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(join(to, shard), Buffer.concat([size, text, bytes.subarray(8 + length)]));
    }
    await build(LLAVA, join(folder, 'old'));
    await build(to, join(folder, 'new'));
    for (const part of ['vision_encoder', 'embed_tokens', 'decoder_model_merged']) {
      const data = (model: string): Buffer => readFileSync(join(folder, model, 'onnx', `${part}.onnx_data`));
      expect(data('new').equals(data('old'))).toBe(true);
    }
  });
});
