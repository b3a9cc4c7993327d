// A decoder of the LLaMA kind in double precision, step by step as transformers' modeling_llama.py, modeling_qwen2.py,
// modeling_qwen3.py and modeling_mistral.py have it, and seeded weights for it: what `fastv build` makes of a checkpoint
// is held against this.
import { seededRandom } from './random.js';

/** A decoder to be computed. */
export interface TextModel {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly inner: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly epsilon: number;
  /** Biases of q, k and v; of o; of the MLP. */
  readonly bias: { readonly qkv?: boolean; readonly o?: boolean; readonly mlp?: boolean };
  readonly headNorms?: boolean;
  readonly tied: boolean;
  /** The frequency of each pair of a head. */
  readonly frequencies: readonly number[];
  /** What cos and sin are multiplied with. */
  readonly length?: number;
  /** How many tokens, its own included, a layer's tokens see. */
  readonly window?: (layer: number) => number;
}

/** Tensors by their names. */
export type Weights = ReadonlyMap<
  string,
  { readonly dims: readonly number[]; readonly values: Float32Array }
>;

/** Weights under `model.` and `lm_head.`, as a text model of transformers names them. */
export function textWeights(m: TextModel, seed: number): Weights {
  const random = seededRandom(seed);
  const weights = new Map<string, { dims: number[]; values: Float32Array }>();
  const add = (name: string, ...dims: number[]): void => {
    const count = dims.reduce((a, b) => a * b, 1);
    const [mean, spread] = name.includes('norm') ? [1, 0.2] : [0, dims.length === 1 ? 0.5 : 0.25];
    const values = Float32Array.from({ length: count }, () => mean + spread * (2 * random() - 1));
    weights.set(name, { dims, values });
  };
  const linear = (name: string, outputs: number, inputs: number, bias = false): void => {
    add(`${name}.weight`, outputs, inputs);
    if (bias) add(`${name}.bias`, outputs);
  };
  add('model.embed_tokens.weight', m.vocabulary, m.hidden);
  for (let i = 0; i < m.layers; i++) {
    const at = `model.layers.${i}`;
    add(`${at}.input_layernorm.weight`, m.hidden);
    linear(`${at}.self_attn.q_proj`, m.heads * m.headSize, m.hidden, m.bias.qkv);
    for (const one of ['k', 'v'])
      linear(`${at}.self_attn.${one}_proj`, m.kvHeads * m.headSize, m.hidden, m.bias.qkv);
    linear(`${at}.self_attn.o_proj`, m.hidden, m.heads * m.headSize, m.bias.o);
    if (m.headNorms === true)
      for (const one of ['q', 'k']) add(`${at}.self_attn.${one}_norm.weight`, m.headSize);
    add(`${at}.post_attention_layernorm.weight`, m.hidden);
    for (const one of ['gate', 'up']) linear(`${at}.mlp.${one}_proj`, m.inner, m.hidden, m.bias.mlp);
    linear(`${at}.mlp.down_proj`, m.hidden, m.inner, m.bias.mlp);
  }
  add('model.norm.weight', m.hidden);
  if (!m.tied) linear('lm_head', m.vocabulary, m.hidden);
  return weights;
}

type Rows = number[][];

/** Logits of every token: [sequence][vocabulary]. */
export function textLogits(m: TextModel, weights: Weights, embeds: Rows): Rows {
  const of = (name: string): Float32Array => weights.get(name)?.values ?? new Float32Array();
  const linear = (rows: Rows, name: string): Rows => {
    const [weight, bias] = [of(`${name}.weight`), of(`${name}.bias`)];
    const inputs = rows[0]?.length ?? 0;
    return rows.map((row) =>
      Array.from({ length: weight.length / inputs }, (_, o) =>
        row.reduce((sum, x, i) => sum + x * (weight[o * inputs + i] ?? 0), bias[o] ?? 0),
      ),
    );
  };
  const norm = (row: number[], weight: Float32Array): number[] => {
    const mean = row.reduce((sum, x) => sum + x * x, 0) / row.length;
    return row.map((x, i) => (x / Math.sqrt(mean + m.epsilon)) * (weight[i] ?? 0));
  };
  const add = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((x, i) => x + (b[t]?.[i] ?? 0)));
  /** Heads of a row, normed and rotated: [heads][head size]. */
  const headsOf = (row: number[], position: number, name: string): Rows =>
    Array.from({ length: row.length / m.headSize }, (_, h) => {
      const own = row.slice(h * m.headSize, (h + 1) * m.headSize);
      const x = m.headNorms === true ? norm(own, of(name)) : own;
      const half = m.headSize / 2;
      return x.map((value, i) => {
        const angle = position * (m.frequencies[i % half] ?? 0);
        const other = i < half ? -(x[i + half] ?? 0) : (x[i - half] ?? 0);
        return (value * Math.cos(angle) + other * Math.sin(angle)) * (m.length ?? 1);
      });
    });

  let x = embeds;
  for (let i = 0; i < m.layers; i++) {
    const at = `model.layers.${i}`;
    const n = x.map((row) => norm(row, of(`${at}.input_layernorm.weight`)));
    const q = linear(n, `${at}.self_attn.q_proj`).map((row, t) =>
      headsOf(row, t, `${at}.self_attn.q_norm.weight`),
    );
    const k = linear(n, `${at}.self_attn.k_proj`).map((row, t) =>
      headsOf(row, t, `${at}.self_attn.k_norm.weight`),
    );
    const v = linear(n, `${at}.self_attn.v_proj`);
    const window = m.window?.(i) ?? Infinity;
    const attended = q.map((heads, t) =>
      heads.flatMap((query, h) => {
        const shared = Math.floor(h / (m.heads / m.kvHeads));
        const scores = k.map((keys, s) =>
          s > t || t - s >= window
            ? 0
            : Math.exp(
                query.reduce((sum, a, d) => sum + a * (keys[shared]?.[d] ?? 0), 0) / Math.sqrt(m.headSize),
              ),
        );
        const total = scores.reduce((a, b) => a + b, 0);
        return query.map((_, d) =>
          scores.reduce((sum, p, s) => sum + (p / total) * (v[s]?.[shared * m.headSize + d] ?? 0), 0),
        );
      }),
    );
    x = add(x, linear(attended, `${at}.self_attn.o_proj`));
    const p = x.map((row) => norm(row, of(`${at}.post_attention_layernorm.weight`)));
    const [gate, up] = [linear(p, `${at}.mlp.gate_proj`), linear(p, `${at}.mlp.up_proj`)];
    const gated = gate.map((row, t) => row.map((g, j) => (g / (1 + Math.exp(-g))) * (up[t]?.[j] ?? 0)));
    x = add(x, linear(gated, `${at}.mlp.down_proj`));
  }
  const last = x.map((row) => norm(row, of('model.norm.weight')));
  return linear(last, m.tied ? 'model.embed_tokens' : 'lm_head');
}
