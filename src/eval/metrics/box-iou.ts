/**
 * Boxes as text: right where the box that a reply names has an intersection over union of 0.5 or more with the right one.
 *
 * Source: Kazemzadeh et al., "ReferItGame" (2014), and the field's reading of it (github.com/EvolvingLMMs-Lab/lmms-eval,
 * tasks/refcoco/utils_rec.py): the first four numbers in square brackets are the box, `[x1, y1, x2, y2]` in shares of
 * the image; a reply without them has none.
 */
import { mean } from '../../statistics.js';
import { sampleMetric } from './metric.js';

/** Left, top, right and bottom. */
export type Box = readonly [number, number, number, number];

const NUMBER = String.raw`\s*(-?\d+(?:\.\d+)?)\s*`;
const BOX = new RegExp(String.raw`\[${[NUMBER, NUMBER, NUMBER, NUMBER].join(',')}\]`);

/** The first box in a text; null where there is none. */
export function parseBox(text: string): Box | null {
  const found = BOX.exec(text);
  return found === null ? null : [Number(found[1]), Number(found[2]), Number(found[3]), Number(found[4])];
}

/** Intersection over union of two boxes, in [0, 1]; a box whose sides are the wrong way round meets none. */
export function boxIou([x1, y1, x2, y2]: Box, [u1, v1, u2, v2]: Box): number {
  const meet =
    Math.max(0, Math.min(x2, u2) - Math.max(x1, u1)) * Math.max(0, Math.min(y2, v2) - Math.max(y1, v1));
  const all = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - meet;
  return all > 0 ? meet / all : 0;
}

function iouOf(reply: string, answers: readonly string[]): number {
  const said = parseBox(reply);
  if (said === null) return 0;
  return Math.max(
    0,
    ...answers.map((answer) => {
      const right = parseBox(answer);
      return right === null ? 0 : boxIou(said, right);
    }),
  );
}

/** RefCOCO, RefCOCO+ and RefCOCOg: Acc@0.5. */
export const boxIouMetric = sampleMetric({
  name: 'box-iou',
  label: 'Acc@0.5',
  about: 'whether the box in the reply has an intersection over union of at least 0.5 with the right one',
  scoreReply: ({ answers }, { text }) => ({ score: iouOf(text, answers) >= 0.5 ? 1 : 0, choice: null }),
  details: (samples) => ({
    'mean IoU': mean(samples.map(({ prediction, answers }) => iouOf(prediction, answers))),
    'without a box': samples.filter(({ prediction }) => parseBox(prediction) === null).length,
  }),
});
