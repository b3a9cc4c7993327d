// A random decoder that an exporter could have written: any switches that go together. Families are what is known to
// exist; this finds what nobody thought of combining.

import { toyConfig, type AttentionConfig, type ToyConfig } from './config.js';
import { seededRandom } from './random.js';

export function randomConfig(seed: number): ToyConfig {
  const random = seededRandom(seed);
  const pick = <T>(...choices: readonly [T, ...T[]]): T =>
    choices[Math.floor(random() * choices.length)] ?? choices[0];
  const chance = (p: number): boolean => random() < p;

  const kind = pick('gqa', 'mha', 'attention23', 'decomposed');
  const opset =
    kind === 'attention23' ? 23 : kind === 'decomposed' ? pick(14, 17, 18, 21, 23) : pick(17, 21, 23);
  const attention = randomAttention(kind, pick, chance);
  const inOp = attention.kind === 'gqa' && attention.rotary === 'op';
  const mayPad =
    (attention.kind === 'gqa' && attention.bias !== 'none' && attention.lengths === 'shape') ||
    (attention.kind === 'mha' && attention.causal === 'bias') ||
    (attention.kind === 'attention23' && attention.mask !== 'is_causal') ||
    attention.kind === 'decomposed';
  const masks =
    (attention.kind === 'gqa' && attention.bias === 'causal') || (attention.kind !== 'gqa' && mayPad);
  const positions = inOp
    ? attention.positionInput
      ? 'input'
      : 'implicit'
    : pick('input', 'input', 'mrope', 'range', 'cumsum');
  const rotaryOp =
    positions === 'mrope'
      ? 'tables'
      : opset === 23
        ? pick('tables', 'microsoft', 'onnx-ids', 'onnx-gathered')
        : pick('tables', 'microsoft');
  const maskFrom = masks
    ? pick('past', 'attention-mask', positions === 'input' ? 'position-ids' : 'past')
    : 'past';
  const hybrid = chance(0.12) ? pick('conv', 'recurrence') : undefined;
  const headDim = pick(16, 16, 32);
  const rotaryDim = headDim === 32 && (positions === 'mrope' || chance(0.5)) ? 16 : headDim;
  const heads = pick(2, 4, 6);
  const oneGroup = attention.kind === 'mha' && attention.past === 'op';
  const windowed = kind === 'gqa' || masks;
  return toyConfig({
    seed,
    opset,
    attention,
    layers: pick(3, 4, 5),
    hidden: pick(32, 48),
    heads,
    kvHeads: oneGroup ? heads : pick(1, 2, heads),
    headDim,
    layerKinds: hybrid === undefined ? [] : ['attention', hybrid, 'attention', hybrid],
    weights: attention.kind === 'gqa' && attention.packed ? 'float' : pick('float', 'float', 'int4', 'qdq'),
    positions,
    rotaryOp,
    rotaryDim,
    rotaryInterleaved: (inOp || rotaryOp !== 'tables') && chance(0.3),
    scale: chance(0.3) ? 0.2 : undefined,
    softcap: kind !== 'mha' && chance(0.25) ? 3 : 0,
    window: windowed && chance(0.3) ? { size: pick(3, 5, 8), layers: [0, 2], theta: 100 } : undefined,
    sink: randomSink(attention, pick),
    qkNorm: chance(0.4) && !(attention.kind === 'gqa' && attention.packed),
    qkvBias: chance(0.4),
    norm: opset === 23 ? pick('skip', 'fused', 'onnx', 'decomposed') : pick('skip', 'fused', 'decomposed'),
    postNorms: chance(0.25),
    numLogitsToKeep: chance(0.4),
    maskFrom,
    leftPadding:
      mayPad && hybrid === undefined && maskFrom !== 'position-ids' && !(inOp && attention.positionInput),
    batchedTurns: kind !== 'gqa',
  });
}

type Pick = <T>(...choices: readonly [T, ...T[]]) => T;

function randomAttention(
  kind: AttentionConfig['kind'],
  pick: Pick,
  chance: (p: number) => boolean,
): AttentionConfig {
  switch (kind) {
    case 'gqa': {
      const rotary = pick('op', 'outside');
      const bias = pick('none', 'padding', 'causal');
      return {
        kind,
        packed: rotary === 'op' && chance(0.4),
        rotary,
        bias,
        lengths: bias === 'none' ? 'reduce-sum' : 'shape',
        positionInput: rotary === 'op' && chance(0.2),
      };
    }
    case 'mha': {
      const past = pick('op', 'outside');
      return {
        kind,
        past,
        causal: past === 'op' && chance(0.2) ? 'unidirectional' : 'bias',
        biasHeads: pick('one', 'all'),
        layout: pick('3d', '4d'),
      };
    }
    case 'attention23': {
      const past = pick('op', 'outside');
      return {
        kind,
        layout: past === 'outside' ? '4d' : pick('3d', '4d'),
        past,
        mask: past === 'op' && chance(0.2) ? 'is_causal' : pick('float', 'bool'),
      };
    }
    case 'decomposed':
      return {
        kind,
        scale: pick('mul', 'div', 'both'),
        repeat: pick('expand', '5d'),
        mask: pick('add', 'where'),
        nanGuard: chance(0.3),
      };
  }
}

function randomSink(attention: AttentionConfig, pick: Pick): ToyConfig['sink'] {
  if (attention.kind === 'gqa') return pick('none', 'none', 'smooth', 'head');
  if (attention.kind === 'decomposed' && attention.repeat === 'expand')
    return pick('none', 'none', 'none', 'head');
  return 'none';
}
