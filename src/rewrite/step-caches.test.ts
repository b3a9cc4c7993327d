import { describe, expect, it } from 'vitest';
import { checkPass } from '../../test/pass.js';
import { prefillAndDecode } from '../../test/toy/compare.js';
import type { ToyConfig } from '../../test/toy/config.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamilies, toyFamily } from '../../test/toy/families.js';
import { maxDifference, ToySession } from '../../test/toy/run.js';
import { concatChunks, decodeModel, encodeModel, type OnnxModel } from '../onnx/index.js';
import { rewriteDecoder } from './rewrite-decoder.js';
import { stepCaches } from './step-caches.js';

const UNLIKE = /sink|smooth|float16/u;
const families = toyFamilies.filter(
  ({ name, config }) => config.attention.kind === 'gqa' && !name.startsWith('hybrid'),
);
const plain = families.filter(({ name }) => !UNLIKE.test(name));

/** Everything that calls of one batch give: logits of each row's last token, and the lengths of caches before the last. */
async function logitsOf(config: ToyConfig, model: OnnxModel, room?: number): Promise<Float32Array[]> {
  const toy = await ToySession.create(config, concatChunks(encodeModel(model)));
  // rows of one length where the graph knows no padding
  const spans = [
    [2, 12, 4],
    [config.leftPadding ? 1 : 3, 12, 3],
  ];
  const calls = prefillAndDecode(config, spans, [0.5]);
  const conversation = toy.conversation(2);
  const logits: Float32Array[] = [];
  for (const [step, { rows, ratios }] of calls.entries()) {
    const given = await conversation.call(rows, { ratios, ...(step > 0 && room !== undefined && { room }) });
    logits.push(...given.logits.flatMap((row) => row.at(-1) ?? []));
  }
  await toy.release();
  return logits;
}

describe.each(plain)('$name', ({ config }) => {
  it.each(['the original', 'a pruned decoder'])(
    'steps over caches with room as %s does over its own',
    async (what) => {
      const original = decodeModel(toyDecoder(config).bytes);
      const model =
        what === 'the original' ? original : rewriteDecoder(original, { stages: [{ layer: 2 }] }).model;
      const pass = stepCaches(model);
      expect(pass).toMatchObject({ changed: true, report: { layers: config.layers } });
      const expected = await logitsOf(config, model);
      // an ordinary call, and one with room for one token or many
      expect(maxDifference(await logitsOf(config, pass.model), expected)).toBe(0);
      for (const room of [1, 9]) {
        expect(maxDifference(await logitsOf(config, pass.model, room), expected)).toBeLessThan(2e-4);
      }
    },
  );
});

it.each([...families.filter(({ name }) => UNLIKE.test(name)), toyFamily('mha'), toyFamily('eager')])(
  '$name: leaves a decoder alone whose steps are another thing',
  ({ config }) => {
    checkPass(stepCaches, decodeModel(toyDecoder(config).bytes), { changed: false });
  },
);

it('keeps the promises of a pass', () => {
  const model = decodeModel(toyDecoder(toyFamily('gqa packed').config).bytes);
  checkPass(stepCaches, model, { changed: true });
});
