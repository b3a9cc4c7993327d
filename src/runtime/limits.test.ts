import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel } from '../onnx/index.js';
import { configuredPositions, rotaryPositions } from './limits.js';

describe('rotaryPositions', () => {
  it('is the length of the table that rotation is read from', () => {
    const config = { ...toyFamily('gqa').config, maxPositions: 77 };
    const { bytes } = toyDecoder(config);
    expect(rotaryPositions(decodeModel(bytes))).toBe(77);
  });
});

describe('configuredPositions', () => {
  it.each([
    [{ max_position_embeddings: 2048 }, 2048],
    [{ text_config: { max_position_embeddings: 4096 }, max_position_embeddings: 2048 }, 4096],
    [{ text_config: { max_position_embeddings: 32768, rope_scaling: { factor: 4 } } }, 131072],
    [
      // stretched already
      {
        max_position_embeddings: 131072,
        rope_scaling: { factor: 8, original_max_position_embeddings: 8192 },
      },
      131072,
    ],
    [{ max_position_embeddings: 'many' }, undefined],
    [{}, undefined],
  ])('of %j is %s', (config, positions) => {
    expect(configuredPositions(config)).toBe(positions);
  });
});
