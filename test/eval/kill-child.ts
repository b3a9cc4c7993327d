// Runs an evaluation of the fake model in a process of its own, which a test kills. Arguments: out, data folder, limit.
import { parseTask } from '../../src/eval/tasks/parse-task.js';
import { prunedCondition, UNPRUNED } from '../../src/eval/answerer.js';
import { runEvaluation } from '../../src/eval/runner.js';
import { fakeAnswerer } from './fake-answerer.js';

const [out = '', data = '', limit = '1'] = process.argv.slice(2);
const task = parseTask(
  JSON.stringify({
    name: 'kill',
    data: { kind: 'repository', repository: 'test/kill', split: 'test' },
    images: { fields: ['image'] },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'exact-match',
    maxTokens: 4,
  }),
  'kill.json',
);
await runEvaluation(fakeAnswerer({ delay: 4, truth: (prompt) => prompt.split(' ').at(-1) }), {
  out,
  tasks: [task],
  conditions: [UNPRUNED, prunedCondition(2, 0.5)],
  limit: Number(limit),
  batch: 3,
  data: { folders: [data] },
});
