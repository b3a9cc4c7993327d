// In the form that Video-LLaVA's evaluation reads (github.com/PKU-YuanGroup/Video-LLaVA, videollava/eval/video).
import { SHORT_ANSWER, type Task } from './task.js';

/** Questions about animated GIFs. Jang et al., "TGIF-QA: toward spatio-temporal reasoning in visual question answering" (2017). */
export const tgifQa: Task = {
  name: 'tgif-qa',
  about: 'questions about animated GIFs',
  source: 'Jang et al., "TGIF-QA: toward spatio-temporal reasoning in visual question answering" (2017)',
  data: {
    kind: 'annotations',
    repository: 'GPT_Zero_Shot_QA/TGIF_Zero_Shot_QA',
    questions: 'test_q.json',
    answers: 'test_a.json',
    on: 'question_id',
  },
  images: { video: 'video_name', frames: 8, folders: ['mp4'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answer' },
  metric: 'exact-match',
  maxTokens: 16,
};
