import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  mkdirSync,
  cpSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quantizeFile } from '../files/quantize-file.js';
import {
  BuiltModel,
  decode,
  farthest,
  float32,
  FIXTURES,
  goldenArray,
  goldenCases,
} from '../../test/vlm-golden.js';
import { build } from './build.js';
import { DTYPE_SUFFIXES } from '../dtypes.js';
import type { PartDtype } from './part-names.js';

const LLAVA = join(FIXTURES, 'llava');
const SHARD = 'model-00002-of-00002.safetensors';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-build-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A copy of a checkpoint that may be spoiled. */
function copy(): string {
  const to = join(folder, 'checkpoint');
  mkdirSync(to);
  for (const name of readdirSync(LLAVA)) {
    if (!name.startsWith('golden')) cpSync(join(LLAVA, name), join(to, name));
  }
  return to;
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Changes the table of contents of a shard, and leaves its bytes. */
function editHeader(checkpoint: string, edit: (header: Header) => void): void {
  const path = join(checkpoint, SHARD);
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header;
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

function editJson(checkpoint: string, file: string, edit: (json: Record<string, unknown>) => void): void {
  const path = join(checkpoint, file);
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

describe('number formats', () => {
  const golden = goldenCases('llava').find(({ name }) => name === 'exact');

  it.each(['fp16', 'q8', 'q4', 'q4f16'] satisfies PartDtype[])(
    '%s runs, near the original',
    async (dtype) => {
      if (golden === undefined) throw new Error('no golden case');
      const output = join(folder, 'model');
      const report = await build(LLAVA, output, {
        dtype: { vision_encoder: 'fp32', embed_tokens: dtype, decoder_model_merged: dtype },
      });
      const model = new BuiltModel(output, DTYPE_SUFFIXES[dtype]);
      const vision = new BuiltModel(output);
      const { image_features: features } = await vision.run('vision_encoder', {
        pixel_values: float32(
          goldenArray('llava', golden, 'pixel_values') ?? new Float32Array(),
          golden.arrays['pixel_values']?.shape ?? [],
        ),
      });
      const embeds = await model.embed(golden.input_ids);
      const width = embeds.dims[2] ?? 0;
      let row = 0;
      golden.image_token_mask.forEach((image, at) => {
        const own = (features?.data as Float32Array).subarray(row * width, (row + 1) * width);
        if (image === 0) return;
        (embeds.data as Float32Array).set(own, at * width);
        row++;
      });
      const session = await model.decoder();
      const { logits } = await decode(model, session, golden, embeds, { tokens: golden.decode_tokens });
      await session.release();
      const wanted = goldenArray('llava', golden, 'logits_prefill') ?? [];
      const bound = { fp16: 0.05, q8: 1, q4: 4, q4f16: 4 }[dtype];
      expect(farthest(logits[0] ?? [], wanted)).toBeLessThan(bound);
      const decoder = report.parts.find(({ part }) => part === 'decoder_model_merged');
      expect(decoder?.quantized).toHaveLength(dtype === 'fp16' ? 0 : 3 * 7 + 1);
    },
  );

  it.each(readdirSync(FIXTURES))('q8 and q4 of %s lose what fastv quantize loses', async (family) => {
    const plain = join(folder, 'plain');
    await build(join(FIXTURES, family), plain);
    for (const [dtype, type] of [
      ['q8', 'int8'],
      ['q4', 'int4'],
    ] as const) {
      const report = await build(join(FIXTURES, family), join(folder, dtype), { dtype });
      const decoder = join(plain, 'onnx/decoder_model_merged.onnx');
      const { layers } = quantizeFile(decoder, join(folder, `${type}.onnx`), { type });
      const own = report.parts.find(({ part }) => part === 'decoder_model_merged')?.quantized ?? [];
      expect(own.length).toBeGreaterThan(3 * 7);
      expect(new Map(own.map((layer) => [layer.weight, layer.relativeError]))).toEqual(
        new Map(layers.map((layer) => [layer.weight, layer.relativeError])),
      );
    }
  });

  it('tells Transformers.js which it has, and how many weight files', async () => {
    await build(LLAVA, join(folder, 'model'), {
      dtype: { vision_encoder: 'fp16', embed_tokens: 'q8', decoder_model_merged: 'q4' },
    });
    const config = JSON.parse(readFileSync(join(folder, 'model/config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(config['transformers.js_config']).toEqual({
      dtype: { vision_encoder: 'fp16', embed_tokens: 'q8', decoder_model_merged: 'q4' },
      use_external_data_format: {
        'vision_encoder_fp16.onnx': 1,
        'embed_tokens_quantized.onnx': 1,
        'decoder_model_merged_q4.onnx': 1,
      },
    });
  });
});

describe('what cannot be built', () => {
  const cases: readonly (readonly [string, (checkpoint: string) => void, RegExp])[] = [
    ['a truncated shard', (c) => { writeFileSync(join(c, SHARD), readFileSync(join(c, SHARD)).subarray(0, -100)); }, /not complete/],
    ['an empty shard', (c) => { writeFileSync(join(c, SHARD), ''); }, /0 bytes/],
    ['a header of 4 GB', (c) => {
      const bytes = readFileSync(join(c, SHARD));
      bytes.writeBigUInt64LE(2n ** 32n);
      writeFileSync(join(c, SHARD), bytes);
    }, /4294967296 bytes/],
    ['a header that is no JSON', (c) => {
      const bytes = readFileSync(join(c, SHARD));
      bytes[8] = 0x5b;
      writeFileSync(join(c, SHARD), bytes);
    }, /no JSON/],
    ['overlapping tensors', (c) => { editHeader(c, (h) => {
      const [a, b] = Object.entries(h).flatMap(([name, entry]) => name !== '__metadata__' && entry.shape.join() === '64,64' ? [entry] : []);
      if (a && b) b.data_offsets = a.data_offsets;
    }); }, /overlap/],
    ['negative offsets', (c) => { editHeader(c, (h) => { first(h).data_offsets = [-8, 8]; }); }, /impossible offsets/],
    ['offsets in the wrong order', (c) => { editHeader(c, (h) => { first(h).data_offsets.reverse(); }); }, /impossible offsets/],
    ['a shape whose product overflows', (c) => { editHeader(c, (h) => { first(h).shape = [2 ** 31, 2 ** 31]; }); }, /impossible shape/],
    ['a shape that needs other bytes', (c) => { editHeader(c, (h) => { first(h).shape = [3]; }); }, /bytes for 3 elements/],
    ['an unknown element type', (c) => { editHeader(c, (h) => { first(h).dtype = 'Q7'; }); }, /element type/],
    ['an index that leaves the folder', (c) => { editJson(c, 'model.safetensors.index.json', (json) => {
      const map = json['weight_map'] as Record<string, string>;
      map['multi_modal_projector.linear_1.bias'] = '../../etc/passwd';
    }); }, /outside the model's folder/],
    ['an index that names another file', (c) => { editJson(c, 'model.safetensors.index.json', (json) => {
      const map = json['weight_map'] as Record<string, string>;
      map['multi_modal_projector.linear_1.bias'] = 'model-00001-of-00002.safetensors';
    }); }, /it is not/],
    ['an absent shard', (c) => { rmSync(join(c, SHARD)); }, /absent/],
    ['a shard that is a link out of the folder', (c) => {
      cpSync(join(c, SHARD), join(folder, 'elsewhere'));
      rmSync(join(c, SHARD));
      symlinkSync(join(folder, 'elsewhere'), join(c, SHARD));
    }, /link that leads outside/],
    ['links in a circle', (c) => {
      rmSync(join(c, SHARD));
      symlinkSync(SHARD, join(c, SHARD));
    }, /circle/],
    ['weights that are NaN', (c) => {
      const bytes = readFileSync(join(c, SHARD));
      bytes.fill(0xff, bytes.length - 64);
      writeFileSync(join(c, SHARD), bytes);
    }, /NaN or infinite/],
    ['a tensor of another shape', (c) => { editJson(c, 'config.json', (json) => {
      json['text_config'] = { ...(json['text_config'] as object), intermediate_size: 145 };
    }); }, /has the shape \[144, 64\], wanted is \[145, 64\]/],
    ['a missing tensor', (c) => { editJson(c, 'config.json', (json) => {
      json['text_config'] = { ...(json['text_config'] as object), num_hidden_layers: 4 };
    }); }, /no tensor "language_model.model.layers.3.input_layernorm.weight".* of shape \[64\]/],
    ['an unexpected tensor', (c) => { editJson(c, 'config.json', (json) => {
      json['text_config'] = { ...(json['text_config'] as object), num_hidden_layers: 2 };
    }); }, /9 tensors that this architecture does not.*language_model.model.layers.2/],
    ['an unknown architecture', (c) => { editJson(c, 'config.json', (json) => { json['model_type'] = 'bert'; }); }, /cannot be built/],
    ['InstructBLIP', (c) => { editJson(c, 'config.json', (json) => { json['model_type'] = 'instructblip'; }); }, /nothing to prune/],
    ['a quantised checkpoint', (c) => { editJson(c, 'config.json', (json) => { json['quantization_config'] = { quant_method: 'awq' }; }); }, /quantised already \(awq\)/],
    ['a scaling of positions that is not known', (c) => { editJson(c, 'config.json', (json) => {
      json['text_config'] = { ...(json['text_config'] as object), rope_scaling: { rope_type: 'longrope', factor: 4 } };
    }); }, /"rope_type" is "longrope"/],
    ['a configuration of absurd sizes', (c) => { editJson(c, 'config.json', (json) => {
      json['text_config'] = { ...(json['text_config'] as object), num_hidden_layers: 1e12 };
    }); }, /num_hidden_layers/],
  ]; // prettier-ignore

  it.each(cases)('%s: a typed error, and nothing is left', async (_, spoil, message) => {
    const checkpoint = copy();
    spoil(checkpoint);
    const before = readdirSync(folder);
    const output = join(folder, 'deep', 'model');
    const error: unknown = await build(checkpoint, output).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ name: 'FastvError' });
    expect((error as Error).message).toMatch(message);
    expect(existsSync(output)).toBe(false);
    expect(readdirSync(folder).filter((name) => name !== 'deep')).toEqual(before);
    if (existsSync(join(folder, 'deep'))) expect(readdirSync(join(folder, 'deep'))).toEqual([]);
  });

  function first(header: Header): Header[string] {
    const entry = Object.entries(header).find(([name]) => name !== '__metadata__')?.[1];
    if (entry === undefined) throw new Error('no tensor');
    return entry;
  }
});

describe('a vocabulary of tiktoken', () => {
  it.each([
    ['that is no vocabulary', 'hello\n', /line 1 is no token and rank/],
    ['with a rank beyond its end', 'IQ== 7\n', /rank 7, which is not free/],
    ['with a rank twice', 'IQ== 0\nIg== 0\n', /rank 0, which is not free/],
    ['with a token twice', 'IQ== 0\nIQ== 1\n', /a token stands twice/],
    ['that is empty', '', /0 tokens/],
  ])('%s is refused, and nothing is left', async (_, text, message) => {
    const checkpoint = join(folder, 'checkpoint');
    const qwen = join(FIXTURES, 'qwen-vl-chat');
    mkdirSync(checkpoint);
    for (const name of readdirSync(qwen)) {
      if (!name.startsWith('golden')) cpSync(join(qwen, name), join(checkpoint, name));
    }
    writeFileSync(join(checkpoint, 'qwen.tiktoken'), text);
    const output = join(folder, 'model');
    await expect(build(checkpoint, output)).rejects.toMatchObject({
      code: 'malformed-model',
      message: expect.stringMatching(message) as string,
    });
    expect(readdirSync(folder)).toEqual(['checkpoint']);
  });
});

describe('the folder', () => {
  it('that is there and not empty is left alone', async () => {
    const output = join(folder, 'model');
    mkdirSync(output);
    writeFileSync(join(output, 'mine'), '');
    await expect(build(LLAVA, output)).rejects.toMatchObject({ code: 'invalid-option', where: output });
    expect(readdirSync(output)).toEqual(['mine']);
  });

  it('of a run that was killed is begun anew', async () => {
    const stale = join(folder, '.model.fastv-build');
    mkdirSync(join(stale, 'onnx'), { recursive: true });
    writeFileSync(join(stale, '.owner'), '999999999');
    writeFileSync(join(stale, 'onnx', 'half'), 'x');
    await build(LLAVA, join(folder, 'model'));
    expect(existsSync(stale)).toBe(false);
    expect(readdirSync(join(folder, 'model', 'onnx'))).not.toContain('half');
    expect(readdirSync(join(folder, 'model'))).not.toContain('.owner');
  });

  it('that another process is filling is refused', async () => {
    const stage = join(folder, '.model.fastv-build');
    mkdirSync(stage);
    writeFileSync(join(stage, '.owner'), String(process.ppid));
    await expect(build(LLAVA, join(folder, 'model'))).rejects.toMatchObject({ code: 'invalid-option' });
    expect(existsSync(stage)).toBe(true);
  });

  it('does not appear when the build is aborted', async () => {
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 20) stop.abort(new Error('enough'));
    };
    const options = { signal: stop.signal, onProgress };
    await expect(build(LLAVA, join(folder, 'model'), options)).rejects.toThrow('enough');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is read through the links of a cache of the hub', async () => {
    const [blobs, snapshot] = [join(folder, 'blobs'), join(folder, 'snapshots', 'commit')];
    mkdirSync(blobs);
    mkdirSync(snapshot, { recursive: true });
    for (const name of readdirSync(LLAVA).filter((one) => statSync(join(LLAVA, one)).isFile())) {
      cpSync(join(LLAVA, name), join(blobs, `blob-${name}`));
      symlinkSync(join('..', '..', 'blobs', `blob-${name}`), join(snapshot, name));
    }
    const { family } = await build(snapshot, join(folder, 'model'));
    expect(family).toBe('llava');
  });
});
