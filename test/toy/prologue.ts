// What decoders compute once, before their layers, from shapes, masks and positions. Each value is emitted when
// a layer first asks for it, as exporters share it between layers.

import { bytesOf, type GraphBuilder } from './builder.js';
import { layerKind, layerTheta, layerWindow, type ToyConfig } from './config.js';

/** The most negative finite number of a type, which exports use to mask. */
export const mostNegative = {
  float32: -3.4028234663852886e38,
  float16: -65504,
  bfloat16: -3.3895313892515355e38,
};

export class Prologue {
  readonly #b: GraphBuilder;
  readonly #config: ToyConfig;
  readonly #memo = new Map<string, string>();
  readonly #firstAttention: number;

  constructor(b: GraphBuilder, config: ToyConfig) {
    this.#b = b;
    this.#config = config;
    this.#firstAttention = Array.from({ length: config.layers }, (_, i) => layerKind(config, i)).indexOf(
      'attention',
    );
  }

  #once(key: string, emit: () => string): string {
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const value = emit();
    this.#memo.set(key, value);
    return value;
  }

  batch(): string {
    return this.#once('batch', () => this.#b.dim('inputs_embeds', 0));
  }

  sequence(): string {
    return this.#once('sequence', () => this.#b.dim('inputs_embeds', 1));
  }

  /** Length of the past, from the first attention layer's cache. */
  past(): string {
    return this.#once('past', () => this.#b.dim(`past_key_values.${this.#firstAttention}.key`, 2));
  }

  total(): string {
    return this.#once('total', () => this.#b.node('Add', [this.past(), this.sequence()]));
  }

  /** GroupQueryAttention's `seqlens_k` (int32 [batch]): number of keys of each row, less one. */
  sequenceLengths(from: 'reduce-sum' | 'shape'): string {
    const b = this.#b;
    return this.#once(`sequence-lengths-${from}`, () => {
      if (from === 'reduce-sum') {
        const sum = b.node('ReduceSum', ['attention_mask', b.ints(1)], { keepdims: { int: 0 } });
        return b.cast(b.node('Sub', [sum, b.ints(1)]), 'int32');
      }
      const last = b.unsqueeze(b.node('Sub', [b.dim('attention_mask', 1), b.scalar(1)]), 0);
      return b.cast(b.node('Expand', [last, b.vector(this.batch(), 1)]), 'int32');
    });
  }

  /** GroupQueryAttention's `total_sequence_length` (int32 scalar). */
  totalSequenceLength(): string {
    return this.#once('total-int32', () => this.#b.cast(this.#b.dim('attention_mask', 1), 'int32'));
  }

  /** True where a query may see a key: causal, inside the layer's window, not padding. [batch, 1, S, T] */
  boolMask(layer: number, causal = true): string {
    const b = this.#b;
    const window = layerWindow(this.#config, layer);
    return this.#once(`bool-mask-${causal ? window : 'padding'}`, () => {
      const padding = b.unsqueeze(b.cast('attention_mask', 'bool'), 1, 2);
      if (!causal) return padding;
      const range = (length: string): string => b.node('Range', [b.scalar(0), length, b.scalar(1)]);
      const from = this.#config.maskFrom;
      const total = from === 'past' ? this.total() : b.dim('attention_mask', 1);
      // [S, 1], or [batch, 1, S, 1] from position_ids
      const query = {
        past: () => b.unsqueeze(b.node('Add', [range(this.sequence()), this.past()]), 1),
        'attention-mask': () =>
          b.unsqueeze(b.node('Range', [b.node('Sub', [total, this.sequence()]), total, b.scalar(1)]), 1),
        'position-ids': () => b.unsqueeze('position_ids', 1, 3),
      }[from]();
      const key = b.unsqueeze(range(total), 0);
      const seen = b.node('LessOrEqual', [key, query]);
      const plane = (mask: string): string => (from === 'position-ids' ? mask : b.unsqueeze(mask, 0, 1));
      if (window === 0) return b.node('And', [plane(seen), padding]);
      const near = b.node('Less', [b.node('Sub', [query, key]), b.scalar(window)]);
      return b.node('And', [plane(b.node('And', [seen, near])), padding]);
    });
  }

  /** `boolMask` as a bias: 0 where seen, the most negative number elsewhere. */
  floatMask(layer: number, lowest = mostNegative[this.#config.dtype]): string {
    const b = this.#b;
    return this.#once(`float-mask-${layerWindow(this.#config, layer)}`, () =>
      b.node('Where', [this.boolMask(layer), b.float(0), b.float(lowest)]),
    );
  }

  /** Gemma 3's `attention_bias`: only padding is masked, the op does the rest. [batch, 1, S, T] */
  paddingBias(): string {
    const b = this.#b;
    return this.#once('padding-bias', () => {
      const lost = b.node('Sub', [b.float(1), b.cast('attention_mask', b.dtype)]);
      const bias = b.unsqueeze(b.node('Mul', [lost, b.float(mostNegative[b.dtype])]), 1, 2);
      return b.node('Expand', [bias, b.vector(this.batch(), 1, this.sequence(), b.dim('attention_mask', 1))]);
    });
  }

  /** Absolute positions, [batch, sequence] or [3, batch, sequence]. */
  positionIds(): string {
    const b = this.#b;
    return this.#once('position-ids', () => {
      switch (this.#config.positions) {
        case 'input':
        case 'mrope':
          return 'position_ids';
        case 'implicit':
        case 'range': {
          const range = b.node('Range', [this.past(), this.total(), b.scalar(1)]);
          return b.node('Expand', [b.unsqueeze(range, 0), b.vector(this.batch(), this.sequence())]);
        }
        case 'cumsum': {
          const sum = b.node('Sub', [b.node('CumSum', ['attention_mask', b.scalar(1)]), b.scalar(1)]);
          const padding = b.node('Equal', ['attention_mask', b.scalar(0)]);
          const all = b.node('Where', [padding, b.scalar(1), sum]);
          const first = b.unsqueeze(b.node('Neg', [this.sequence()]), 0);
          return b.node('Slice', [all, first, b.ints(2147483647), b.ints(1)]);
        }
      }
    });
  }

  /** cos or sin of each position and rotary pair, [maxPositions, rotaryDim / 2], as a weight. */
  rotaryCache(kind: 'cos' | 'sin', layer: number): string {
    const theta = layerTheta(this.#config, layer);
    const name = theta === this.#config.rotaryTheta ? `${kind}_cache` : `${kind}_cache_local`;
    const pairs = this.#config.rotaryDim / 2;
    const length = this.#config.maxPositions * pairs;
    const table = Float32Array.from({ length }, (_, i) =>
      Math[kind](Math.floor(i / pairs) * inverseFrequency(theta, i % pairs, pairs)),
    );
    return this.#b.weight(name, [this.#config.maxPositions, pairs], table);
  }

  /** Rows of a rotary cache at the call's positions, [batch, sequence, rotaryDim / 2]. */
  gatheredCache(kind: 'cos' | 'sin', layer: number): string {
    return this.#once(`gathered-${kind}-${layerTheta(this.#config, layer)}`, () =>
      this.#b.node('Gather', [this.rotaryCache(kind, layer), this.positionIds()], { axis: { int: 0 } }),
    );
  }

  /** cos or sin for rotate-half arithmetic, [batch, 1, sequence, rotaryDim]. */
  rotaryTable(kind: 'cos' | 'sin', layer: number): string {
    const b = this.#b;
    const theta = layerTheta(this.#config, layer);
    return this.#once(`table-${kind}-${theta}`, () => {
      if (this.#config.rotaryTables === 'cut') return this.#cutTable(kind, theta);
      const angles = this.#once(`angles-${theta}`, () => this.#angles(theta));
      const table = b.node(kind === 'cos' ? 'Cos' : 'Sin', [angles]);
      const narrow = b.dtype === 'float32' ? table : b.cast(table, b.dtype);
      return this.#config.positions === 'mrope' ? this.#sections(narrow) : b.unsqueeze(narrow, 1);
    });
  }

  /** Llama of 2023: `cos_cached[:, :, :total]`, squeezed, at the positions. [batch, 1, sequence, rotaryDim] */
  #cutTable(kind: 'cos' | 'sin', theta: number): string {
    const b = this.#b;
    const { maxPositions, rotaryDim } = this.#config;
    const pairs = rotaryDim / 2;
    const values = Float32Array.from({ length: maxPositions * rotaryDim }, (_, i) =>
      Math[kind](Math.floor(i / rotaryDim) * inverseFrequency(theta, i % pairs, pairs)),
    );
    const shape = [1, 1, maxPositions, rotaryDim];
    const all = b.tensor(`${kind}_cached_${theta}`, 'float32', shape, bytesOf(values));
    const soFar = b.node('Slice', [all, b.ints(0), b.unsqueeze(this.total(), 0), b.ints(2)]);
    const rows = b.node('Gather', [b.node('Squeeze', [soFar, b.ints(0, 1)]), this.positionIds()], {
      axis: { int: 0 },
    });
    return b.unsqueeze(rows, 1);
  }

  /** Position times inverse frequency, twice: [(3,) batch, sequence, rotaryDim], float32. */
  #angles(theta: number): string {
    const b = this.#b;
    const pairs = this.#config.rotaryDim / 2;
    const frequencies = Float32Array.from({ length: pairs }, (_, i) => inverseFrequency(theta, i, pairs));
    const positions = this.positionIds();
    if (this.#config.positions === 'mrope') {
      const column = b.tensor(`inv_freq_${theta}`, 'float32', [1, 1, pairs, 1], bytesOf(frequencies));
      const shape = b.vector(3, b.dim(positions, 1), -1, 1);
      // as torch exports x.expand(3, b, -1, 1): a -1 means this axis stays
      const ones = b.node('Where', [b.node('Equal', [shape, b.ints(-1)]), b.ints(1), shape]);
      const expanded = b.node('Expand', [column, ones]);
      const row = b.cast(b.unsqueeze(positions, 2), 'float32');
      const half = b.transpose(b.node('MatMul', [expanded, row]), 0, 1, 3, 2);
      return b.node('Concat', [half, half], { axis: { int: -1 } });
    }
    const row = b.tensor(`inv_freq_${theta}`, 'float32', [1, 1, pairs], bytesOf(frequencies));
    const half = b.node('Mul', [b.cast(b.unsqueeze(positions, 2), 'float32'), row]);
    return b.node('Concat', [half, half], { axis: { int: -1 } });
  }

  /** Qwen2-VL's choice of axis by section: [3, batch, sequence, rotaryDim] → [batch, 1, sequence, rotaryDim]. */
  #sections(table: string): string {
    const b = this.#b;
    const sizes = [...this.#config.mropeSections, ...this.#config.mropeSections];
    const parts = Array.from(sizes, (_, i) => `${table}/section_${i}`);
    b.node('Split', [table, b.ints(...sizes)], { axis: { int: -1 } }, { outputs: parts });
    const chosen = parts.map((part, i) => b.node('Gather', [part, b.scalar(i % 3)], { axis: { int: 0 } }));
    return b.unsqueeze(b.node('Concat', chosen, { axis: { int: -1 } }), 1);
  }
}

export function inverseFrequency(theta: number, pair: number, pairs: number): number {
  return theta ** (-pair / pairs);
}
