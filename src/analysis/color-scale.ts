/** Numbers as colours: anchored, so that one colour means one thing whatever the data are. */
import * as Plot from '@observablehq/plot';

/** Numbers from `from` to `to` as colours. */
export interface ColorScale {
  readonly from: number;
  readonly to: number;
  /** @returns `rgb(r, g, b)`; what is beyond the ends has the ends' colour */
  color(value: number): string;
}

/** Light to dark, from 0 on. @param to what the darkest colour stands for */
export function sequentialScale(to: number, scheme: Plot.ColorScheme = 'blues'): ColorScale {
  return scale(0, to, [0, to], scheme);
}

/**
 * Two colours with a neutral one at `pivot`, equally strong on both sides of it.
 * @param values the numbers that are to be shown; the scale ends with them
 * @param least the smallest distance from the pivot that is drawn as strong, so that nearly nothing looks like it
 */
export function divergingScale(
  values: readonly number[],
  pivot: number,
  least: number,
  scheme: Plot.ColorScheme = 'rdbu',
): ColorScale {
  const away = niceEnd(Math.max(least, ...values.map((v) => Math.abs(v - pivot))));
  const below = values.some((v) => v < pivot);
  const above = values.some((v) => v > pivot);
  return scale(
    below || !above ? pivot - away : pivot,
    above || !below ? pivot + away : pivot,
    [pivot - away, pivot + away],
    scheme,
  );
}

/** The next number that is easy to read: 1, 2, 2.5, 5 or 10 times a power of ten, and what lies between as 4, 6 and 8. */
export function niceEnd(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  // 0.25 / 0.1 is a little more than 2.5
  const steps = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
  return (steps.find((step) => value / power <= step + 1e-9) ?? 10) * power;
}

/** Round numbers within a scale, six at the most. */
export function scaleTicks({ from, to }: ColorScale): readonly number[] {
  const span = to - from;
  const power = 10 ** Math.floor(Math.log10(span));
  const step = ([0.2, 0.25, 0.5, 1, 2].find((s) => span / (s * power) <= 5 + 1e-9) ?? 2) * power;
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor(to / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function scale(from: number, to: number, domain: [number, number], scheme: Plot.ColorScheme): ColorScale {
  const color = Plot.scale({ color: { type: 'linear', domain, scheme, clamp: true } });
  return {
    from,
    to,
    color: (value) => rgb(String(color.apply(value))),
  };
}

/** Schemes give `rgb(…)` or `#rrggbb`. */
function rgb(color: string): string {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
  return hex === null
    ? color
    : `rgb(${hex
        .slice(1)
        .map((c) => parseInt(c, 16))
        .join(', ')})`;
}
