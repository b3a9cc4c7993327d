/** How long a run will take, before it is begun: its first question is asked twice, and the second time counts. */
import type { Answerer } from './answerer.js';
import { baseOf, UNPRUNED } from './answerer.js';
import { askOf } from './asking.js';
import type { RunOptions } from './run-options.js';
import { openTask } from './tasks/open-task.js';

/** What a run comes to. */
export interface Estimate {
  /** Answers of all conditions, at most; null where the datasets alone know how many samples they have. */
  readonly answers: number | null;
  /** Seconds of one answer of the original model. */
  readonly secondsEach: number;
}

/** @throws FastvError as the run itself would at its first question */
export async function estimateRun(
  answerer: Answerer,
  { tasks, conditions, limit, data, choices = 'letter' }: RunOptions,
  clock: () => number = () => performance.now(),
): Promise<Estimate> {
  const answers = limit === undefined ? null : tasks.length * limit * conditions.length;
  const [task] = tasks;
  if (task === undefined) return { answers, secondsEach: 0 };
  const opened = openTask(task, data);
  try {
    for await (const sample of opened.samples()) {
      const asked = await askOf(sample, { choices }, (_, error) => {
        throw error;
      });
      if (asked === undefined) continue;
      const base = baseOf(conditions) ?? UNPRUNED;
      await answerer.prepare?.([base]);
      await answerer.answer([asked.ask], base);
      const start = clock();
      await answerer.answer([asked.ask], base);
      return { answers, secondsEach: (clock() - start) / 1000 };
    }
    return { answers, secondsEach: 0 };
  } finally {
    await opened.close();
  }
}
