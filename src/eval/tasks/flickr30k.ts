import { CAPTION, type Task } from './task.js';

const COMMON = {
  source: 'Young et al., "From image descriptions to visual denotations" (2014)',
  images: { fields: ['image'] },
  prompt: [CAPTION],
  answer: { field: 'caption', all: true },
  metric: 'caption',
  maxTokens: 64,
} as const satisfies Partial<Task>;

/** Captions of everyday photographs: all 31,783, as lmms-eval scores them. */
export const flickr30k: Task = {
  ...COMMON,
  name: 'flickr30k',
  about: 'captions of everyday photographs, all of them',
  data: { kind: 'repository', repository: 'lmms-lab/flickr30k', split: 'test' },
};

/**
 * The thousand photographs of Karpathy's test split, which papers mean by Flickr30k's test set. The columns are those of
 * the dataset's loader (nlphuji/flickr30k, flickr30k.py), whose one split has all photographs and names theirs; its files
 * are those that the hub converts. Not yet read from the hub itself.
 */
export const flickr30kKarpathy: Task = {
  ...COMMON,
  name: 'flickr30k-karpathy',
  about: "captions of everyday photographs, the thousand of Karpathy's test split",
  data: {
    kind: 'repository',
    repository: 'nlphuji/flickr30k',
    config: 'TEST',
    split: 'test',
    revision: 'refs/convert/parquet',
  },
  where: { split: 'test' },
};
