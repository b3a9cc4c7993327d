import { describe, expect, it } from 'vitest';
import { sizesIn } from './hub-sizes.js';
import { DEFAULTS, hashOf, isHubName, settingsOf, stagesOf } from './settings.js';

describe('a link', () => {
  it('carries what is not the default, and gives it back', () => {
    const settings = { ...DEFAULTS, ratio: 0.75, layer: 3, question: 'Where is it? & why', model: 'a/b.c' };
    const hash = hashOf(settings);
    expect(hash).not.toContain('device');
    expect(settingsOf(hash)).toEqual(settings);
    expect(hashOf(DEFAULTS)).toBe('');
  });

  it.each([
    '#ratio=2&layer=-1&device=toaster&strategy=constructor&cut=x&dtype=y',
    '#ratio=&layer=&model=../../etc/passwd',
    '#model=https://example.com/a',
    '#ratio=NaN&layer=Infinity&model=a/..',
  ])('takes the defaults for nonsense: %s', (hash) => {
    expect(settingsOf(hash)).toEqual(DEFAULTS);
  });

  it('holds no longer questions than the page takes', () => {
    expect(settingsOf(`#question=${'x'.repeat(10_000)}`).question).toHaveLength(500);
  });
});

it('names of the hub are two parts', () => {
  expect(isHubName('HuggingFaceTB/SmolVLM-256M-Instruct')).toBe(true);
  expect(['scenes-llava', 'a/b/c', '../b', 'a b/c', ''].filter(isHubName)).toEqual([]);
});

it('cuts have as many shares as layers', () => {
  for (const cut of ['fastv', 'pyramid', 'late'] as const) {
    const { layers, ratios } = stagesOf({ cut, layer: 2, ratio: 0.5 });
    expect('percentOfDepth' in layers ? layers.percentOfDepth : layers).toHaveLength(ratios.length);
  }
});

describe('sizes on the hub', () => {
  const file = (rfilename: string, size: number) => ({ rfilename, size });
  it('are those of the weights that are whole, external data included', () => {
    const siblings = [
      file('onnx/decoder_model_merged_q4.onnx', 1),
      file('onnx/decoder_model_merged_q4.onnx_data', 100),
      file('onnx/embed_tokens_q4.onnx', 10),
      file('onnx/vision_encoder_q4.onnx', 5),
      file('onnx/decoder_model_merged.onnx', 7),
    ];
    expect([...sizesIn({ siblings })]).toEqual([['q4', 116]]);
  });
  it.each([null, {}, { siblings: 'x' }, { siblings: [null, 3, { rfilename: 4, size: 'x' }] }])(
    'of %j are none',
    (said) => {
      expect(sizesIn(said).size).toBe(0);
    },
  );
});
