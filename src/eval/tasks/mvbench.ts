import type { Task } from './task.js';

/** The twenty kinds of questions, and the folder that the films of each are in. */
const KINDS: Readonly<Record<string, string>> = {
  action_sequence: 'star/Charades_segment',
  action_prediction: 'star/Charades_segment',
  action_antonym: 'ssv2_video_mp4',
  fine_grained_action: 'Moments_in_Time_Raw/videos',
  unexpected_action: 'FunQA_test/test',
  object_existence: 'clevrer/video_validation',
  object_interaction: 'star/Charades_segment',
  object_shuffle: 'perception/videos',
  moving_direction: 'clevrer/video_validation',
  action_localization: 'sta/sta_video_segment',
  scene_transition: 'scene_qa/video',
  action_count: 'perception/videos',
  moving_count: 'clevrer/video_validation',
  moving_attribute: 'clevrer/video_validation',
  state_change: 'perception/videos',
  fine_grained_pose: 'nturgbd_convert',
  character_order: 'perception/videos',
  egocentric_navigation: 'vlnqa',
  episodic_reasoning: 'tvqa/video_fps3_hq_segment',
  counterfactual_inference: 'clevrer/video_validation',
};

/**
 * Twenty kinds of questions about short films, 200 each; MVBench's number is their mean. Li et al., "MVBench: a comprehensive
 * multi-modal video understanding benchmark" (2024). The wording is that of the authors' code as VLMEvalKit has it, but that
 * the reply is not begun for the model ("Best option:("). Films are those that lmms-eval reads, cut to what is asked about
 * (branch `video` of OpenGVLab/MVBench), unpacked into the folder that holds `json`. Eight frames; papers say how many they show.
 * The dataset itself was not read here.
 */
export const mvbench: readonly Task[] = Object.entries(KINDS).map(([kind, folder]) => ({
  name: `mvbench-${kind.replaceAll('_', '-')}`,
  about: `short films: ${kind.replaceAll('_', ' ')}`,
  source: 'Li et al., "MVBench: a comprehensive multi-modal video understanding benchmark" (2024)',
  data: { kind: 'files', repository: 'OpenGVLab/MVBench', files: [`json/${kind}.json`] },
  images: { video: 'video', frames: 8, folders: [folder] },
  prompt: [
    'Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement of objects, ' +
      'and the action and pose of persons. Based on your observations, select the best option that accurately addresses ' +
      'the question.',
    'Question: {question}',
    'Options:',
    '{bracket-choices}',
    'Only give the best option.',
  ],
  choices: { list: 'candidates' },
  answer: { choice: 'answer', as: 'text' },
  metric: 'multiple-choice',
  maxTokens: 16,
}));
