import type { Task } from './task.js';

/**
 * Questions about videos from eleven seconds to an hour, without subtitles. Fu et al., "Video-MME" (2024), with the prompt of
 * its page. The films come in archives of lmms-lab/Video-MME, to be unpacked into its folder `data`; columns as
 * lmms-eval reads them (videoID, duration, question, options, answer). Eight frames, evenly spread: papers say how many they
 * show, and more is better. The dataset itself was not read here.
 */
export const videoMme: Task = {
  name: 'video-mme',
  about: 'questions about videos from eleven seconds to an hour, without subtitles',
  source:
    'Fu et al., "Video-MME: the first-ever comprehensive evaluation benchmark of multi-modal LLMs in video" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/Video-MME', split: 'test' },
  images: { video: 'videoID', frames: 8, folders: ['data', 'videos'] },
  prompt: [
    'Select the best answer to the following multiple-choice question based on the video. ' +
      'Respond with only the letter (A, B, C, or D) of the correct option.',
    '{question}',
    '{choices}',
    'The best answer is:',
  ],
  choices: { list: 'options', lettered: true },
  answer: { choice: 'answer', as: 'letter' },
  metric: 'multiple-choice',
  category: 'duration',
  maxTokens: 16,
};
