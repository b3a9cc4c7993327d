// In the form that Video-LLaVA's evaluation reads (github.com/PKU-YuanGroup/Video-LLaVA, videollava/eval/video).
import { SHORT_ANSWER, type Task } from './task.js';

/** Questions about short films. Xu et al., "Video question answering via gradually refined attention over appearance and motion" (2017). */
export const msvdQa: Task = {
  name: 'msvd-qa',
  about: 'questions about short films',
  source:
    'Xu et al., "Video question answering via gradually refined attention over appearance and motion" (2017)',
  data: {
    kind: 'annotations',
    repository: 'GPT_Zero_Shot_QA/MSVD_Zero_Shot_QA',
    questions: 'test_q.json',
    answers: 'test_a.json',
    on: 'question_id',
  },
  images: { video: 'video_name', frames: 8, folders: ['videos'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answer' },
  metric: 'exact-match',
  maxTokens: 16,
};
