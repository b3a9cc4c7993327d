/** Our scene benchmark as tasks: each family, on the test and on the hard split. */
import { FAMILIES, IMAGE_FAMILIES, SEQUENCE_FAMILIES, type Family } from '../../scenes/question.js';
import type { Split } from '../../scenes/dataset.js';
import type { Task } from './task.js';

const SOURCE = 'the scene benchmark of this package (src/scenes)';

function sceneTask(split: Split, family: Family): Task {
  return {
    name: split === 'test' ? `scenes-${family}` : `scenes-${split}-${family}`,
    about: `the family ${family} of our scenes, split ${split}`,
    source: SOURCE,
    data: { kind: 'scenes', split, family },
    images: { fields: ['image'] },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: family === 'caption' ? 'caption' : 'exact-match',
    category: 'kind',
    maxTokens: family === 'caption' ? 96 : 12,
  };
}

/** Every family on test, the families of one image on hard, and every family on validation. */
export const SCENE_TASKS: readonly Task[] = [
  ...FAMILIES.map((family) => sceneTask('test', family)),
  ...IMAGE_FAMILIES.map((family) => sceneTask('hard', family)),
  ...FAMILIES.map((family) => sceneTask('validation', family)),
];

const QUESTIONS = IMAGE_FAMILIES.filter((family) => family !== 'caption');
const VIDEO = SEQUENCE_FAMILIES.filter((family) => family.startsWith('video'));

export const SCENE_GROUPS: Readonly<Record<string, readonly string[]>> = {
  /** All questions about one image; captions are scored otherwise, so they are a task of their own. */
  scenes: QUESTIONS.map((family) => `scenes-${family}`),
  'scenes-hard': QUESTIONS.map((family) => `scenes-hard-${family}`),
  'scenes-validation': QUESTIONS.map((family) => `scenes-validation-${family}`),
  'scenes-video': VIDEO.map((family) => `scenes-${family}`),
};
