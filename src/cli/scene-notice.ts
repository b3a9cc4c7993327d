/**
 * The bundled model knows the synthetic scenes that it was trained on and nothing else. Whoever shows it a photo, or
 * asks what no scene is asked, is told so, and which command brings a model that knows the world.
 */
import type { Picture } from '../media/index.js';
import { loadAtlas } from '../scenes/atlas.js';
import { IMAGE_SIZE, REGIONS } from '../scenes/scene.js';

const REAL_MODEL = 'HuggingFaceTB/SmolVLM-256M-Instruct';
/** The command that brings a real model. */
export const HOW = `fastv pull ${REAL_MODEL} --dtype q4`;

/** Questions of the benchmark (src/scenes/ask.ts, sequence.ts); `#` is a class of objects, `@` a region. */
const QUESTIONS = [
  'Is there an? # in the image?',
  'What is at the @?',
  'Where is the #?',
  'Where is the # relative to the #?',
  'How many objects are there?',
  'How many # pictures are there?',
  'What color is the background?',
  'Which is larger, the # or the #?',
  'Describe the image.',
  'What does the text say?',
  'Which object moved?',
  'In which direction did the # move?',
  'In how many frames does the # appear?',
  'Which image has an? #?',
];

/**
 * Says that the bundled model is out of its depth.
 * @returns undefined where picture and question may be a scene's; a question is only looked at if it is given
 */
export function sceneNotice(pictures: readonly Picture[], question?: string): string | undefined {
  const strange = [
    ...(pictures.every(isScene) ? [] : ['pictures']),
    ...(question === undefined || isSceneQuestion(question) ? [] : ['questions']),
  ];
  if (strange.length === 0) return undefined;
  return `the bundled model knows synthetic scenes only, and no such ${strange.join(' or ')}; a real one: ${HOW}`;
}

/** Scenes are small squares; no photo is. */
function isScene({ width, height }: Picture): boolean {
  return width === IMAGE_SIZE && height === IMAGE_SIZE;
}

/** Whether the benchmark could ask this: its words, its objects, its places. */
export function isSceneQuestion(question: string): boolean {
  const text = question.trim().replace(/\s+/gu, ' ');
  const objects = `(?:${loadAtlas().classes.map(escaped).join('|')})`;
  return QUESTIONS.some((pattern) => {
    const source = escaped(pattern)
      .replaceAll('an\\?', 'an?')
      .replaceAll('#', objects)
      .replaceAll('@', `(?:${REGIONS.join('|')})`)
      .replace(/(?:\\\?|\\\.)$/u, '[?.]?');
    return new RegExp(`^${source}$`, 'iu').test(text);
  });
}

function escaped(text: string): string {
  return text.replace(/[.?*+^$()[\]{}|\\]/gu, '\\$&');
}
