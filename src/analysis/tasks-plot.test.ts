import { describe, expect, it } from 'vitest';
import { EVIL, point, POINTS, TASKS } from '../../test/analysis/points.js';
import { Svg } from '../../test/analysis/svg.js';
import { tasksPlot } from './tasks-plot.js';

const draw = (...parameters: Parameters<typeof tasksPlot>): Svg =>
  new Svg(tasksPlot(...parameters) ?? expect.fail('no picture'));

/** How the lines of each strategy are drawn. */
const curves = (svg: Svg): { dash: string | null; width: number; moved: string | null }[] =>
  svg.groups('line').map((g) => {
    const line = g.querySelector('[stroke-width]');
    return {
      dash: line?.getAttribute('stroke-dasharray') ?? null,
      width: Number(line?.getAttribute('stroke-width')),
      moved: g.getAttribute('transform'),
    };
  });

describe('tasksPlot', () => {
  it('says K, the metric and the tasks inside the picture', () => {
    const svg = draw(POINTS, 2, { metricOf: () => 'exact match' });
    expect(svg.child('title')).toContain('K = 2');
    expect(svg.texts()).toContain('↑ exact match, %');
    expect(svg.texts('task').sort()).toEqual(TASKS.map((task) => task.replace('scenes-', '')).sort());
  });

  it('says each task’s metric where there are several', () => {
    const svg = draw(POINTS, 2, { metricOf: (task) => (task === TASKS[0] ? 'F1' : 'exact match') });
    expect(svg.texts()).toContain('↑ score, %');
    expect(svg.texts('task')[0]).toBe('existence: F1');
  });

  it('tells strategies apart by dash and shape, in key and curves', () => {
    const svg = draw(POINTS, 2);
    expect(svg.texts('key')).toEqual(['attention', 'random', 'grid', 'downsample']);
    const dashes = curves(svg).map(({ dash }) => dash);
    expect(new Set(dashes).size).toBe(4);
    // in the key, and on the curves
    for (const shape of ['circle', 'square', 'triangle', 'diamond']) expect(svg.groups(shape).length).toBe(2);
  });

  it('hides no curve behind another that is equal', () => {
    const same = POINTS.filter((p) => p.layer === 2 || p.layer === null).map((p) => ({
      ...p,
      byTask: { one: 0.5 },
    }));
    const lines = curves(draw(same, 2));
    // drawn later and narrower, and moved
    const widths = lines.map(({ width }) => width);
    expect(widths).toEqual([...widths].sort((a, b) => b - a));
    expect(new Set(widths).size).toBe(4);
    expect(new Set(lines.map(({ moved }) => moved)).size).toBe(4);
  });

  it('draws the intervals of a task where they are known', () => {
    expect(
      draw(POINTS, 2)
        .groups('interval')
        .flatMap((g) => [...g.querySelectorAll('line')]),
    ).toEqual([]);
    const svg = draw(POINTS, 2, {
      intervalsOf: (task) => new Map(task === TASKS[0] ? POINTS.map((p) => [p.name, p.score]) : []),
    });
    const lines = svg.groups('interval').flatMap((g) => [...g.querySelectorAll('line')]);
    // four strategies at three R and the unpruned model
    expect(lines).toHaveLength(16);
    expect(svg.child('desc')).toContain('95% intervals');
  });

  it('keeps long and hostile names within the picture', () => {
    const svg = tasksPlot(
      [{ ...point('attention', 2, 0.5), byTask: { [EVIL]: 0.5, ['x'.repeat(500)]: 1 } }],
      2,
    );
    expect(svg).not.toMatch(/<script|<img|\u0000/);
    for (const name of new Svg(svg ?? '').texts('task')) expect(name.length).toBeLessThan(40);
  });
});
