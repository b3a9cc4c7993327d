// node examples/bare-onnxruntime.mjs models/scenes-llava/onnx/decoder_model_merged.onnx
// The rewritten decoder is an ONNX model as any other: this is what an app in C++, Python or Rust would do.
import { readFile } from 'node:fs/promises';
import { decodeModel, encodeModel } from 'fastv/onnx';
import { rewriteDecoder } from 'fastv/rewrite';
import ort from 'onnxruntime-node';

const { model, report } = rewriteDecoder(decodeModel(await readFile(process.argv[2])), {
  stages: [{ layer: 2 }],
});
console.log(`${report.layers} layers, ${report.nodes.before} nodes, ${report.nodes.after} after the rewrite`);
const session = await ort.InferenceSession.create(Buffer.concat([...encodeModel(model)]));

// 100 tokens of which 64 are an image's; an app takes them from embed_tokens and the vision encoder
const [batch, length, first, tokens] = [1, 100, 20, 64];
const shape = new Map(session.inputMetadata.map((input) => [input.name, input.shape]));
const hidden = shape.get('inputs_embeds')[2];
const ones = new BigInt64Array(length).fill(1n);
const feeds = {
  inputs_embeds: new ort.Tensor(
    'float32',
    Float32Array.from({ length: length * hidden }, (_, i) => Math.sin(i)),
    [batch, length, hidden],
  ),
  attention_mask: new ort.Tensor('int64', ones, [batch, length]),
  position_ids: new ort.Tensor(
    'int64',
    ones.map((_, i) => BigInt(i)),
    [batch, length],
  ),
  // what the rewrite adds
  image_token_mask: new ort.Tensor(
    'bool',
    Uint8Array.from({ length }, (_, i) => Number(i >= first && i < first + tokens)),
    [batch, length],
  ),
  prune_ratio: new ort.Tensor('float32', [0.5], [1]),
};
for (const name of session.inputNames) {
  if (!name.startsWith('past_key_values')) continue;
  const [, heads, , size] = shape.get(name);
  feeds[name] = new ort.Tensor('float32', [], [batch, heads, 0, size]);
}
const used = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
const outputs = await session.run(used);
console.log(`kept ${outputs.kept_indices.dims[1]} of ${length} tokens`);
console.log(
  `layer 0 caches ${outputs['present.0.key'].dims[2]} tokens, layer 2 ${outputs['present.2.key'].dims[2]}`,
);
