/** Overlays of a call's pictures. */
import { overlayPng, type Picture } from '../media/index.js';
import type { Conversation } from '../runtime/conversation.js';
import type { PrefillReport } from '../runtime/options.js';

/** The overlay of a call, one picture beside the other. */
export async function overlayOf(
  conversation: Conversation,
  pictures: readonly Picture[],
  report: PrefillReport,
  side?: number,
): Promise<Buffer> {
  const images = report.rows[0]?.images ?? [];
  // a picture cut into tiles has several: its last one is the whole picture
  const each = Math.max(1, Math.floor(images.length / pictures.length));
  const drawn = pictures.flatMap((picture, i) => {
    const patches = images[(i + 1) * each - 1];
    return patches === undefined ? [] : [{ picture, patches }];
  });
  return overlayPng(drawn, { square: conversation.cropsSquare, ...(side === undefined ? {} : { side }) });
}
