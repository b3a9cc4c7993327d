// Random weights of a toy decoder, rounded or quantised as its graph stores them, so that the reference computes
// with exactly the numbers that the graph has.

import { layerKind, convKernel, type ToyConfig } from './config.js';
import { roundTo } from './half.js';
import { quantise, type QuantisedMatrix } from './quantise.js';
import { normals, seededRandom, type Random } from './random.js';

/** y = x·W + bias; `values` is row-major [inputs, outputs] and already dequantised. */
export interface Linear {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly values: Float32Array;
  readonly quantised: QuantisedMatrix | undefined;
  readonly bias: Float32Array | undefined;
}

export interface AttentionWeights {
  readonly kind: 'attention';
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly qNorm: Float32Array | undefined;
  readonly kNorm: Float32Array | undefined;
  /** One logit a head that only the softmax denominator sees. */
  readonly sink: Float32Array | undefined;
}

/** Gated short convolution (LFM2): in-projection to b, c, x; depthwise causal kernel over b·x; times c. */
export interface ConvWeights {
  readonly kind: 'conv';
  readonly input: Linear;
  /** [hidden, convKernel], last tap on the token itself. */
  readonly kernel: Float32Array;
  readonly output: Linear;
}

/** Gated linear recurrence: h ← a·h + (1−a)·u with a = sigmoid(x·A), u = x·U. */
export interface RecurrenceWeights {
  readonly kind: 'recurrence';
  readonly input: Linear;
  readonly decay: Linear;
  readonly output: Linear;
}

export interface LayerWeights {
  readonly inputNorm: Float32Array;
  readonly postAttentionNorm: Float32Array | undefined;
  readonly mlpNorm: Float32Array;
  readonly postMlpNorm: Float32Array | undefined;
  readonly mixer: AttentionWeights | ConvWeights | RecurrenceWeights;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

export interface ToyWeights {
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: Float32Array;
  readonly head: Linear;
}

export function toyWeights(config: ToyConfig): ToyWeights {
  const random = seededRandom(config.seed);
  const layers = Array.from({ length: config.layers }, (_, layer) => layerWeights(config, random, layer));
  return {
    layers,
    finalNorm: normWeight(config, random, config.hidden),
    head: linear(config, random, 'lm_head', config.hidden, config.vocab),
  };
}

function layerWeights(config: ToyConfig, random: Random, layer: number): LayerWeights {
  const { hidden, mlp, postNorms } = config;
  const name = `layers.${layer}`;
  return {
    inputNorm: normWeight(config, random, hidden),
    postAttentionNorm: postNorms ? normWeight(config, random, hidden) : undefined,
    mlpNorm: normWeight(config, random, hidden),
    postMlpNorm: postNorms ? normWeight(config, random, hidden) : undefined,
    mixer: mixerWeights(config, random, layer),
    gate: linear(config, random, `${name}.mlp.gate_proj`, hidden, mlp),
    up: linear(config, random, `${name}.mlp.up_proj`, hidden, mlp),
    down: linear(config, random, `${name}.mlp.down_proj`, mlp, hidden),
  };
}

function mixerWeights(config: ToyConfig, random: Random, layer: number): LayerWeights['mixer'] {
  const { hidden, heads, kvHeads, headDim } = config;
  const name = `layers.${layer}`;
  switch (layerKind(config, layer)) {
    case 'conv':
      return {
        kind: 'conv',
        input: linear(config, random, `${name}.conv.in_proj`, hidden, 3 * hidden),
        kernel: roundTo(config.dtype, normals(random, hidden * convKernel, 0.6)),
        output: linear(config, random, `${name}.conv.out_proj`, hidden, hidden),
      };
    case 'recurrence':
      return {
        kind: 'recurrence',
        input: linear(config, random, `${name}.recurrence.in_proj`, hidden, hidden),
        decay: linear(config, random, `${name}.recurrence.decay_proj`, hidden, hidden),
        output: linear(config, random, `${name}.recurrence.out_proj`, hidden, hidden),
      };
    case 'attention': {
      // q and k are larger than usual, so that attention is far from uniform and rankings are clear
      const gain = config.qkNorm ? 1 : 1.6;
      const biased = config.qkvBias;
      return {
        kind: 'attention',
        q: linear(config, random, `${name}.attn.q_proj`, hidden, heads * headDim, gain, biased),
        k: linear(config, random, `${name}.attn.k_proj`, hidden, kvHeads * headDim, gain, biased),
        v: linear(config, random, `${name}.attn.v_proj`, hidden, kvHeads * headDim, 1, biased),
        o: linear(config, random, `${name}.attn.o_proj`, heads * headDim, hidden),
        qNorm: config.qkNorm ? normWeight(config, random, headDim, 1.4) : undefined,
        kNorm: config.qkNorm ? normWeight(config, random, headDim, 1.4) : undefined,
        sink: config.sink === 'head' ? roundTo(config.dtype, normals(random, heads, 1)) : undefined,
      };
    }
  }
}

function normWeight(config: ToyConfig, random: Random, size: number, mean = 1): Float32Array {
  return roundTo(config.dtype, normals(random, size, 0.1, mean));
}

function linear(
  config: ToyConfig,
  random: Random,
  name: string,
  inputs: number,
  outputs: number,
  gain = 1,
  biased = false,
): Linear {
  const raw = normals(random, inputs * outputs, gain / Math.sqrt(inputs));
  const bias = biased ? roundTo(config.dtype, normals(random, outputs, 0.2)) : undefined;
  if (config.weights === 'float') {
    return { name, inputs, outputs, values: roundTo(config.dtype, raw), quantised: undefined, bias };
  }
  const quantised = quantise(config.weights, raw, inputs, outputs, config.dtype);
  return { name, inputs, outputs, values: quantised.dequantised, quantised, bias };
}
