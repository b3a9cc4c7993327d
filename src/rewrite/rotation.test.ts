import { describe, expect, it } from 'vitest';
import { probe, TOKENS } from '../../test/probe.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { maxDifference } from '../../test/session.js';
import { decodeModel, intAttribute } from '../onnx/index.js';
import { attentionOf, EMBEDS } from '../decoder/decoder.js';
import { inOpPositions, rotateOutside } from './rotation.js';

describe('rotateOutside', () => {
  it.each(['gqa', 'gqa packed', 'gqa interleaved', 'gqa partial rotary'])(
    '%s: computes what the operator computes',
    async (name) => {
      const { config } = toyFamily(name);
      const model = decodeModel(toyDecoder(config).bytes);
      const [inside, outside] = await probe(config, model, (emit, decoder) => {
        const core = attentionOf(decoder, 1);
        expect(core.rotation).toBe('in-op');
        const positions = inOpPositions(emit, core.node, EMBEDS);
        const node = rotateOutside(emit, decoder.graph, core, core.node, positions);
        expect(intAttribute(node, 'do_rotary', 0)).toBe(0);
        const copies = emit.copy(node, (tensor) => tensor);
        return [core.node.output[0] ?? '', copies.get(core.node.output[0] ?? '') ?? ''];
      });
      expect(inside?.dims).toEqual([1, TOKENS, config.heads * config.headDim]);
      expect(maxDifference(inside?.values ?? [], outside?.values ?? [])).toBeLessThan(1e-5);
    },
  );

  it('rotates by the positions that it is given', async () => {
    const { config } = toyFamily('gqa');
    const model = decodeModel(toyDecoder(config).bytes);
    const [inside, outside] = await probe(config, model, (emit, decoder) => {
      const core = attentionOf(decoder, 0);
      const doubled = emit.op('Mul', [inOpPositions(emit, core.node, EMBEDS), emit.int(2)]);
      const node = rotateOutside(emit, decoder.graph, core, core.node, doubled);
      const copies = emit.copy(node, (tensor) => tensor);
      return [core.node.output[0] ?? '', copies.get(core.node.output[0] ?? '') ?? ''];
    });
    expect(maxDifference(inside?.values ?? [], outside?.values ?? [])).toBeGreaterThan(1e-3);
  });
});
