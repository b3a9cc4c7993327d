import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { concatChunks, create, decodeModel, encodeModel, ValueInfoProtoSchema } from '../onnx/index.js';
import { loadWithDecoder } from './decoder-override.js';
import { EMBEDDED_MODEL } from './embedded.js';
import type { HfModel } from './transformers.js';

const part = (name: string): string => join(EMBEDDED_MODEL, 'onnx', name);
const load = (file: string): ReturnType<typeof loadWithDecoder> =>
  loadWithDecoder(AutoModelForImageTextToText, EMBEDDED_MODEL, file, {
    dtype: 'fp32',
    progress_callback: null,
  });

describe('loadWithDecoder', () => {
  it('runs the given file, and the next load has the model’s own again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fastv-override-'));
    const { graph, ...rest } = decodeModel(await readFile(part('decoder_model_merged.onnx')));
    const marked = graph.node.find(({ opType }) => opType === 'MatMul')?.output[0] ?? expect.fail();
    const output = [...graph.output, create(ValueInfoProtoSchema, { name: marked })];
    const file = join(folder, 'any name.onnx');
    await writeFile(file, concatChunks(encodeModel({ ...rest, graph: { ...graph, output } })));

    const other = await load(file);
    expect(other.sessions['decoder_model_merged']?.outputNames).toContain(marked);
    const own: unknown = await AutoModelForImageTextToText.from_pretrained(EMBEDDED_MODEL, { dtype: 'fp32' });
    const { sessions } = own as HfModel;
    expect(sessions['decoder_model_merged']?.outputNames).not.toContain(marked);
    expect(sessions['decoder_model_merged']?.outputNames).toContain('logits');
    for (const model of [other, own]) await (model as { dispose(): Promise<unknown> }).dispose();
    await rm(folder, { recursive: true });
  });

  it('refuses a file that is no decoder', async () => {
    await expect(load(part('embed_tokens.onnx'))).rejects.toMatchObject({
      code: 'unsupported-decoder',
      message: expect.stringContaining('inputs_embeds') as string,
    });
  });

  it('refuses a model without such a decoder', async () => {
    const disposed: string[] = [];
    const none = {
      from_pretrained: () => Promise.resolve({ dispose: () => Promise.resolve(disposed.push('it')) }),
    };
    await expect(loadWithDecoder(none, 'some-model', 'x.onnx', {})).rejects.toMatchObject({
      code: 'unsupported-decoder',
      where: 'some-model',
    });
    expect(disposed).toEqual(['it']);
  });
});
