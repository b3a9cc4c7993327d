/** Names for the parts of a picture, so that they can be told from each other in its SVG. */
import type { RenderFunction } from '@observablehq/plot';

/** An option of marks that gives the mark's group its `aria-label`. */
export function named(name: string): { readonly render: RenderFunction } {
  return {
    render(index, scales, values, dimensions, context, next) {
      const group = next?.(index, scales, values, dimensions, context) ?? null;
      group?.setAttribute('aria-label', name);
      return group;
    },
  };
}
