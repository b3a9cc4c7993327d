import type { Task } from './task.js';

/**
 * Where in the image is what a sentence describes: boxes as text, right where the intersection over union is 0.5 or more
 * (RefCOCO, RefCOCO+, RefCOCOg). Kazemzadeh et al., "ReferItGame" (2014); Yu et al., "Modeling context in referring
 * expressions" (2016); Mao et al., "Generation and comprehension of unambiguous object descriptions" (2016).
 *
 * Prompt, reading of boxes and score as in lmms-eval (tasks/refcoco*, `bbox_rec`), columns and splits as on the cards of
 * lmms-lab/RefCOCO, RefCOCOplus and RefCOCOg; boxes there are left, top, width and height in pixels. Each sentence of a row
 * is a question. Boxes are in shares of the image as it is: a model that was taught others (LLaVA-1.5: of the image
 * padded to a square; Qwen2.5-VL: pixels; PaliGemma: location tokens) is scored as if it meant these.
 */
function grounding(name: string, repository: string, split: string): Task {
  return {
    name,
    about: 'where in the image is what a sentence describes',
    source: 'Kazemzadeh et al., "ReferItGame" (2014); Yu et al. (2016); Mao et al. (2016)',
    data: { kind: 'repository', repository, split },
    explode: ['answer'],
    images: { fields: ['image'] },
    prompt: [
      'Bounding box coordinates are specified in the format (top-left x, top-left y, bottom-right x, bottom-right y). ' +
        'All values are floating point numbers bounded between 0 and 1. ' +
        'Please provide the bounding box coordinate of the region this sentence describes: {answer}',
    ],
    answer: { box: 'bbox' },
    metric: 'box-iou',
    maxTokens: 64,
  };
}

export const refcoco: readonly Task[] = ['val', 'testA', 'testB'].map((split) =>
  grounding(`refcoco-${split.toLowerCase()}`, 'lmms-lab/RefCOCO', split),
);
export const refcocoPlus: readonly Task[] = ['val', 'testA', 'testB'].map((split) =>
  grounding(`refcoco-plus-${split.toLowerCase()}`, 'lmms-lab/RefCOCOplus', split),
);
export const refcocog: readonly Task[] = ['val', 'test'].map((split) =>
  grounding(`refcocog-${split}`, 'lmms-lab/RefCOCOg', split),
);
