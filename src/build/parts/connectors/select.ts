// Which hidden states of a tower go on, and whether its class token does.
import type { PartGraph } from '../../part.js';
import { stateOf, type TowerOutput } from '../towers/patches.js';

/** Hidden states side by side: [images, tokens, width]. */
export function selectFeatures(
  g: PartGraph,
  tower: TowerOutput,
  layers: readonly number[],
  { keepClass }: { readonly keepClass: boolean },
): { readonly tokens: string; readonly width: number } {
  const { emit } = g;
  const states = layers.map((layer) => {
    const state = tower.states.get(stateOf(layer, tower.layers)) ?? '';
    if (keepClass) return state; // else the first one goes, as in transformers, whatever it is
    return emit.slice(state, emit.ints(1), emit.ints(Number.MAX_SAFE_INTEGER), 1);
  });
  const [first = ''] = states;
  const tokens = states.length === 1 ? first : emit.concat(states, -1);
  return { tokens, width: tower.hidden * states.length };
}
