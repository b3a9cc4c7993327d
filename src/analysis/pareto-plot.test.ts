import { describe, expect, it } from 'vitest';
import { EVIL, point, POINTS, RATIOS } from '../../test/analysis/points.js';
import { Svg } from '../../test/analysis/svg.js';
import type { Point } from '../eval/points.js';
import { paretoPlot } from './pareto-plot.js';

const SHAPES = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye'];
const isShape = (name: string): boolean => SHAPES.some((shape) => name.endsWith(shape));
/** Numbers on the upright axis. */
const scores = (svg: Svg): number[] => svg.texts('y-axis tick label').map(Number);

describe('paretoPlot', () => {
  it('tells K by the shape of its points, for every strategy the same', () => {
    const points = [1, 2, 3].flatMap((k) =>
      RATIOS.flatMap((r) => [point('attention', k, r), point('random', k, r)]),
    );
    const svg = new Svg(paretoPlot(points));
    const drawn = svg.names().filter(isShape);
    // a curve's points, then one beside its name
    expect(drawn).toHaveLength(12);
    const attention = drawn.slice(0, 3);
    expect(new Set(attention).size).toBe(3);
    expect(drawn.slice(3, 6)).toEqual(attention);
    expect(drawn.slice(6, 9)).toEqual(attention);
  });

  it('tells strategies by dashes as well as by colour', () => {
    const svg = new Svg(paretoPlot(POINTS.filter((p) => p.layer === 2 || p.kind === 'downsample')));
    const lines = svg.groups('line').map((g) => g.getAttribute('stroke-dasharray'));
    expect(lines).toHaveLength(4);
    expect(new Set(lines).size).toBe(4);
  });

  it('names the front, the intervals and the metric inside the picture', () => {
    const svg = new Svg(paretoPlot(POINTS, 'exact match, mean of 6 tasks'));
    expect(svg.texts('key')).toEqual(['Pareto front', '95% interval over samples', 'unpruned']);
    expect(svg.groups('Pareto front')[0]?.querySelectorAll('path')).toHaveLength(1);
    expect(svg.texts()).toContain('↑ exact match, mean of 6 tasks, %');
    expect(svg.texts('front label')).toEqual(['Pareto front']);
    expect(svg.texts('curve')).toContain('attention, K = 5');
  });

  it('draws an interval upright through every point, none over another', () => {
    const points = POINTS.filter((p) => p.layer === 2);
    const svg = new Svg(paretoPlot(points));
    const intervals = svg.groups('interval');
    expect(intervals.reduce((sum, g) => sum + g.querySelectorAll('line').length, 0)).toBe(points.length);
    // at one K and R attention, random and grid cost the same
    const places = intervals.flatMap((g) => {
      const dx = Number(/translate\(([\d.-]+)/.exec(g.getAttribute('transform') ?? '')?.[1] ?? 0);
      return [...g.querySelectorAll('line')].map((line) => dx + Number(line.getAttribute('x1')));
    });
    expect(new Set(places.map((x) => x.toFixed(1))).size).toBe(places.length);
  });

  it('leaves the name of the front out where an interval would cross it', () => {
    const crossed: Point = { ...point('random', 2, 0.9), score: { estimate: 0.5, low: 0, high: 1 } };
    const crowd = [
      ...POINTS,
      ...Array.from({ length: 40 }, (_, i) => ({ ...crossed, name: `x${i}`, layer: i, flopsRatio: i / 40 })),
    ];
    const svg = new Svg(paretoPlot(crowd));
    expect(svg.texts('front label')).toEqual([]);
    expect(svg.texts('key')).toContain('Pareto front');
  });

  it('leads from every name to the end of its curve, and writes the front’s name over no line', () => {
    const points = POINTS.filter((p) => p.kind === 'unpruned' || p.layer === 2);
    const svg = new Svg(paretoPlot(points));
    const leaders = svg
      .groups('link')
      .flatMap((g) => [...g.querySelectorAll('path')].map((l) => l.getAttribute('d') ?? ''));
    const ends = svg.groups('line').map((g) => {
      const moved = Number(/translate\(([\d.-]+)/.exec(g.getAttribute('transform') ?? '')?.[1] ?? 0);
      const numbers = [...(g.querySelector('path')?.getAttribute('d') ?? '').matchAll(/[\d.]+/g)].map(Number);
      return moved + (numbers.at(-2) ?? NaN);
    });
    const starts = leaders.slice(0, 3).map((d) => Number(/[\d.]+/.exec(d)?.[0]));
    // the last is the unpruned model's, which has no name beside it
    expect(ends).toHaveLength(4);
    ends.slice(0, 3).forEach((end, i) => {
      expect(starts[i]).toBeCloseTo(end, 0);
    });
    // where the unpruned model's line would cross the name there is none
    const flat = { ...point('attention', 2, 0.9), score: { estimate: 0.81, low: 0.8, high: 0.82 } };
    expect(new Svg(paretoPlot([point('unpruned', null, 0), flat])).texts('front label')).toEqual([]);
  });

  it('shows one setting alone on the whole axis, and never less than 20 points', () => {
    const one = scores(new Svg(paretoPlot([point('unpruned', null, 0), point('attention', 2, 0.5)])));
    expect([Math.min(...one), Math.max(...one)]).toEqual([0, 100]);
    const near = [1, 2].map((k): Point => ({
      ...point('attention', k, 0.5),
      score: { estimate: 0.9 + k / 1000, low: 0.9, high: 0.91 },
    }));
    const axis = scores(new Svg(paretoPlot([point('unpruned', null, 0), ...near])));
    expect(Math.max(...axis) - Math.min(...axis)).toBeGreaterThanOrEqual(15);
    expect(Math.max(...axis)).toBeLessThanOrEqual(100);
  });

  it('shows scores above 100 too, and names that would be markup', () => {
    const high: Point = { ...point('attention', 2, 0.5), score: { estimate: 1.3, low: 1.2, high: 1.4 } };
    const kind = EVIL as Point['kind'];
    const svg = paretoPlot([point('unpruned', null, 0), high, { ...high, kind, flopsRatio: 0.2 }], EVIL);
    expect(Math.max(...scores(new Svg(svg)))).toBeGreaterThanOrEqual(130);
    expect(svg).not.toMatch(/<script|<img|\u0000/);
  });
});
