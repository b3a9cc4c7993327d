/** What `fastv tasks` does. */
import { GROUPS, TASKS } from '../../eval/tasks/index.js';
import type { Task } from '../../eval/tasks/task.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';

/** Prints every built-in task and group. */
export function tasks(terminal: Terminal): void {
  const all = [...TASKS.values()].map((task) => ({
    name: task.name,
    metric: typeof task.metric === 'string' ? task.metric : task.metric.name,
    data: dataOf(task),
    needsLimit: task.data.kind === 'scenes',
  }));
  terminal.result({ tasks: all, groups: GROUPS }, () =>
    [
      ...table([['task', 'metric', 'data'], ...all.map(({ name, metric, data }) => [name, metric, data])]),
      '',
      ...table(Object.entries(GROUPS).map(([name, members]) => [`group ${name}`, members.join(', ')])),
    ].join('\n'),
  );
}

function dataOf({ data }: Task): string {
  return data.kind === 'scenes'
    ? `our scenes, split ${data.split}`
    : `${data.repository}${'split' in data ? `, split ${data.split}` : ''}`;
}
