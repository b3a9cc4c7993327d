import { describe, expect, it } from 'vitest';
import { checkPass } from '../../test/pass.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel } from '../onnx/index.js';
import { rowName, withAttentionRows } from './attention-rows.js';

describe('withAttentionRows', () => {
  it.each(['gqa', 'mha', 'eager'])('%s: adds an output a layer, once', (family) => {
    const model = decodeModel(toyDecoder(toyFamily(family).config).bytes);
    const { model: result, report } = checkPass(withAttentionRows, model, { changed: true });
    const added = result.graph.output.slice(model.graph.output.length).map(({ name }) => name);
    expect(added).toEqual([0, 1, 2, 3].map(rowName));
    expect(report).toEqual({ layers: 4 });
    checkPass(withAttentionRows, result, { changed: false });
  });
});
