// A profile of the original and of the rewritten decoder, as tables.
import { byOperator, isAdded, totalTime, type ProfiledNode } from './profile.js';
import { markdownTable, percentage } from './table.js';

/** Operators that take a smaller share are left out of the tables (not out of the sums). */
const SMALL = 1e-3;

/** Two tables in Markdown: every operator, and the nodes that the rewrite added. */
export function profileTables(before: readonly ProfiledNode[], after: readonly ProfiledNode[]): string {
  const milliseconds = (microseconds: number): string => (microseconds / 1000).toFixed(2);
  const sums = [before, after].map((nodes) => ({
    total: totalTime(nodes),
    operators: new Map(byOperator(nodes).map(({ operator, time }) => [operator, time])),
  }));
  const names = [...new Set(sums.flatMap(({ operators }) => [...operators.keys()]))].filter((name) =>
    sums.some(({ operators, total }) => (operators.get(name) ?? 0) > SMALL * total),
  );
  const largest = (name: string): number =>
    Math.max(...sums.map(({ operators }) => operators.get(name) ?? 0));
  names.sort((a, b) => largest(b) - largest(a));
  const cells = (time: (of: (typeof sums)[number]) => number): string[] =>
    sums.flatMap((of) => [milliseconds(time(of)), percentage(time(of), of.total)]);
  const all = markdownTable(
    ['operator', 'original ms', 'share', 'rewritten ms', 'share'],
    [
      ...names.map((name) => [name, ...cells(({ operators }) => operators.get(name) ?? 0)]),
      ['all', ...cells(({ total }) => total)],
    ],
  );

  const own = after.filter(isAdded);
  const total = totalTime(after);
  const row = (name: string, nodes: number, time: number): string[] => [
    name,
    String(nodes),
    milliseconds(time),
    percentage(time, total),
  ];
  const added = markdownTable(
    ['added by the rewrite', 'nodes', 'ms', 'share'],
    [
      ...byOperator(own).map(({ operator, nodes, time }) => row(operator, nodes, time)),
      row('all', own.length, totalTime(own)),
    ],
  );
  return `${all}\n\n${added}`;
}
