// A decoder whose last layer has no cache of its own and attends to the keys of layer 1, as in Gemma 3n and 4.
import { decodeModel, type OnnxModel } from '../../src/onnx/index.js';
import { toyDecoder } from './decoder.js';
import { toyFamily } from './families.js';

export function decoderWithSharedKeys(): OnnxModel {
  const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
  const { graph } = model;
  const own = (name: string): boolean => /^(?:past_key_values|present)\.3\./u.test(name);
  graph.input = graph.input.filter(({ name }) => !own(name));
  graph.output = graph.output.filter(({ name }) => !own(name));
  graph.node = graph.node.filter(({ output }) => !output.some(own));
  for (const node of graph.node)
    node.input = node.input.map((name) => (own(name) ? name.replace('.3.', '.1.') : name));
  return model;
}
