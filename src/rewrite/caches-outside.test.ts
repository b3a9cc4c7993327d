import { expect, it } from 'vitest';
import { checkPass } from '../../test/pass.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { recogniseDecoder } from '../decoder/decoder.js';
import { decodeModel } from '../onnx/index.js';
import { cachesOutside } from './caches-outside.js';

it.each([
  ['mha', [1]],
  ['attention23 3d', [1]],
  ['mha past outside 4d', []],
  ['gqa', []],
  ['eager', []],
])('%s: takes out the caches of layers %j', (family, moved) => {
  const model = decodeModel(toyDecoder(toyFamily(family).config).bytes);
  const pass = checkPass((of) => cachesOutside(recogniseDecoder(of), [1]), model, {
    changed: moved.length > 0,
  });
  expect(pass.report.layers).toEqual(moved);
});
