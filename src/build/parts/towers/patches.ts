// What vision towers share: images cut into patches, and pre-norm layers of attention and an MLP.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Source } from '../../source.js';
import type { Scope } from '../../weights.js';
import { layerNorm, linearOf, towerAttention, type Activation } from '../blocks.js';

/** What a tower gives. */
export interface TowerOutput {
  readonly hidden: number;
  /** Patches a side. */
  readonly side: number;
  /** Whether a class token stands before the patches. */
  readonly classToken: boolean;
  /** Hidden states [images, tokens, hidden]: 0 what goes into the first layer, i what layer i gives. */
  readonly states: ReadonlyMap<number, string>;
  /** How many layers the tower has, run or not. */
  readonly layers: number;
}

/** Patches as tokens: [images, channels, height, width] to [images, rows · columns, hidden]. */
export function patches(
  g: PartGraph,
  pixels: string,
  w: Scope,
  name: string,
  { hidden, patch, bias }: { readonly hidden: number; readonly patch: number; readonly bias: boolean },
): string {
  const { emit } = g;
  const { weight, bias: added } = linearOf(w, name, [hidden, 3, patch, patch], bias);
  const side = [BigInt(patch), BigInt(patch)];
  const inputs = [pixels, g.weight(weight), ...(added === undefined ? [] : [g.weight(added)])];
  const maps = emit.op('Conv', inputs, { attributes: { kernel_shape: side, strides: side } });
  return emit.transpose(emit.reshape(maps, emit.ints(0, 0, -1)), 0, 2, 1);
}

/** A learned token [.., hidden] in front of every image's. */
export function withClassToken(g: PartGraph, grid: string, token: Source): string {
  const { emit } = g;
  const hidden = token.dims.at(-1) ?? 0;
  const shape = emit.concat([emit.dim1(grid, 0), emit.ints(1, hidden)], 0);
  const first = emit.op('Expand', [g.weight(token.reshape(1, 1, hidden)), shape]);
  return emit.concat([first, grid], 1);
}

/** How many layers must run for the hidden states that are wanted; negative ones count from the last. */
export function layersRun(wanted: readonly number[], layers: number, config: Config): number {
  const places = wanted.map((place) => stateOf(place, layers));
  if (places.length === 0 || places.some((place) => place < 0 || place > layers)) {
    throw config.refuse('num_hidden_layers', `enough for the hidden states ${wanted.join(', ')}`);
  }
  return Math.max(...places);
}

/** A tower's hidden states, by their number: what goes into the first layer is 0. */
export type HiddenStates = ReadonlyMap<number, string>;

/** Runs a tower's layers as far as states of theirs are wanted; the weights of the others are left where they are. */
export function hiddenStates(
  g: PartGraph,
  x: string,
  w: Scope,
  config: Config,
  { wanted, layers, ...shape }: LayerShape & { readonly wanted: readonly number[]; readonly layers: number },
): { readonly states: HiddenStates; readonly last: string } {
  const states = new Map([[0, x]]);
  const run = layersRun(wanted, layers, config);
  let last = x;
  for (let i = 0; i < run; i++) {
    last = preNormLayer(g, last, w.under(`encoder.layers.${i}.`), shape);
    states.set(i + 1, last);
  }
  for (let i = run; i < layers; i++) w.ignore(`encoder.layers.${i}.`);
  return { states, last };
}

/** Hidden states are counted from what goes into the first layer; the last is −1. */
export function stateOf(place: number, layers: number): number {
  return place < 0 ? layers + 1 + place : place;
}

/** What the layers of a tower have in common. */
export interface LayerShape {
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly epsilon: number;
  readonly activation: Activation;
}

/** x + attention(norm(x)), then x + mlp(norm(x)), with biases everywhere. */
export function preNormLayer(
  g: PartGraph,
  x: string,
  w: Scope,
  { hidden, heads, intermediate, epsilon, activation }: LayerShape,
): string {
  const { emit } = g;
  const n = layerNorm(g, x, linearOf(w, 'layer_norm1', [hidden]), epsilon);
  const project = (name: string): string => g.linear(n, linearOf(w, `self_attn.${name}`, [hidden, hidden]));
  const qkv = [project('q_proj'), project('k_proj'), project('v_proj')] as const;
  const attended = g.linear(
    towerAttention(g, qkv, heads),
    linearOf(w, 'self_attn.out_proj', [hidden, hidden]),
  );
  const y = emit.op('Add', [x, attended]);
  const m = layerNorm(g, y, linearOf(w, 'layer_norm2', [hidden]), epsilon);
  const inner = activation(g, g.linear(m, linearOf(w, 'mlp.fc1', [intermediate, hidden])));
  return emit.op('Add', [y, g.linear(inner, linearOf(w, 'mlp.fc2', [hidden, intermediate]))]);
}
