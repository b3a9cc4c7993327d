/** Points of one shape: filled, or an outline on white. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { GROUND, type Shape } from './theme.js';

/**
 * Points of one shape and colour.
 * @param channels x, y, and facets, as for Plot.dot
 */
export function pointMark(
  data: readonly unknown[],
  channels: Plot.DotOptions,
  { symbol, hollow }: Shape,
  color: string,
): Plot.Markish {
  return Plot.dot(data as Plot.Data, {
    ...channels,
    symbol,
    // shapes of one area: a star or a cross looks smaller than a square of it
    r: symbol === 'circle' || symbol === 'square' ? 3.8 : 4.4,
    fill: hollow ? GROUND : color,
    stroke: hollow ? color : GROUND,
    strokeWidth: hollow ? 1.6 : 0.8,
    ...named(`${hollow ? 'hollow ' : ''}${symbol}`),
  });
}
