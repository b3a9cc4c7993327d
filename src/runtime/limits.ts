// How many positions a decoder has, so that a prompt that is too long is refused before work is done on it.
import { GraphView, input, isOperator, type OnnxModel } from '../onnx/index.js';
import { isRecord } from './transformers.js';

/** Operators that rotate by a table of cosines: `[positions, …]`. */
const ROTATING = ['GroupQueryAttention', 'com.microsoft.RotaryEmbedding', 'RotaryEmbedding'] as const;

/**
 * The positions of the rotary tables in a decoder's graph.
 * @returns undefined where it has none: positions are then computed as they come
 */
export function rotaryPositions(model: OnnxModel): number | undefined {
  const tables = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor.dims]));
  const found = new GraphView(model.graph).nodes.flatMap((node) =>
    ROTATING.flatMap((operator) => {
      const positions = isOperator(node, operator) ? tables.get(input(node, 'cos_cache'))?.[0] : undefined;
      return positions === undefined ? [] : [Number(positions)];
    }),
  );
  return found.length === 0 ? undefined : Math.min(...found);
}

/**
 * Whether a decoder's rows may be padded on the left: it is told positions, and its attention where padding is.
 * GroupQueryAttention by itself knows how long a row is only, and takes the first keys of a padded one for its own.
 */
export function takesLeftPadding(model: OnnxModel): boolean {
  const graph = new GraphView(model.graph);
  const knowsLengths = graph.nodes.some(
    (node) => isOperator(node, 'GroupQueryAttention') && input(node, 'attention_bias') === '',
  );
  return graph.inputs.has('position_ids') && !knowsLengths;
}

/** The positions that a configuration promises: `max_position_embeddings`, stretched as its RoPE scaling says. */
export function configuredPositions(config: Readonly<Record<string, unknown>>): number | undefined {
  for (const part of [config['text_config'], config['llm_config'], config['language_config'], config]) {
    if (!isRecord(part)) continue;
    const positions = part['max_position_embeddings'];
    if (typeof positions !== 'number' || !(positions > 0)) continue;
    const scaling = [part['rope_scaling'], part['rope_parameters']].find(isRecord) ?? {};
    const { factor, original_max_position_embeddings: original = positions } = scaling;
    const stretched = typeof factor === 'number' && typeof original === 'number' ? factor * original : 0;
    return Math.max(positions, Math.floor(stretched));
  }
  return undefined;
}
