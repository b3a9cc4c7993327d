// Whether the caches that a call brings are those of this pruned decoder. A cache of another K, or of a decoder that was
// pruned where this one is not, has layers of other lengths; ONNX Runtime would say so in terms of some node.
import { FastvError } from '../errors.js';

/** What of a tensor is looked at. */
export interface Shaped {
  readonly dims: readonly number[];
}

/**
 * Checks a call's caches against its attention mask, before the decoder runs. Layers below the first stage hold every
 * earlier token, later ones no more than the stage before; the layers of a stage all hold the same.
 * @param feeds the decoder's inputs: inputs_embeds [batch, sequence, …], attention_mask [batch, total] and
 *   `past_key_values.N.key` [batch, KV heads, past, head size]
 * @param stages K of each pruning stage, ascending
 * @throws {FastvError} `invalid-input`, naming the layer
 */
export function checkCaches(feeds: Readonly<Record<string, Shaped>>, stages: readonly number[]): void {
  const sequence = feeds['inputs_embeds']?.dims[1];
  const total = feeds['attention_mask']?.dims[1];
  if (sequence === undefined || total === undefined) return;
  const past = total - sequence;
  const caches = Object.entries(feeds)
    .flatMap(([name, { dims }]) => {
      const layer = /^past_key_values\.(\d+)\.(?:decoder\.)?key$/u.exec(name)?.[1];
      return layer === undefined ? [] : [{ layer: Number(layer), length: dims[2] ?? 0 }];
    })
    .sort((a, b) => a.layer - b.layer);
  let before = { stage: 0, length: past };
  for (const { layer, length } of caches) {
    const stage = stages.filter((k) => k <= layer).length;
    // Within a stage all lengths are equal, and before the first they are the mask's; a stage may only drop.
    const right = stage === before.stage ? length === before.length : length <= before.length;
    if (!right) throw refusal(layer, length, past, stages);
    before = { stage, length };
  }
}

function refusal(layer: number, length: number, past: number, stages: readonly number[]): FastvError {
  const prunes = stages.length === 0 ? 'prunes nothing' : `prunes at K = ${stages.join(', ')}`;
  return new FastvError(
    'invalid-input',
    `the cache holds ${length} tokens at layer ${layer}, where ${past} came before: it is not one of this decoder, ` +
      `which ${prunes}`,
    {
      where: `past_key_values.${layer}`,
      hint:
        'Continue with the cache that this decoder gave, or with one of the unpruned decoder; a cache of another K ' +
        'or of another conversation does not fit.',
    },
  );
}
