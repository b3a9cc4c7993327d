/** Overlays of a call's pictures. */
import { overlayPng, type KeptPatches, type OverlayOptions, type Picture } from '../media/index.js';
import type { Conversation } from '../runtime/conversation.js';
import type { PrefillReport } from '../runtime/options.js';

/** The overlay of a call, one picture beside the other. */
export async function overlayOf(
  conversation: Conversation,
  pictures: readonly Picture[],
  report: PrefillReport,
  side?: number,
): Promise<Buffer> {
  return overlayPng(patchesOf(pictures, report), optionsOf(conversation, side));
}

/** The overlays of a call, one a picture. */
export async function overlaysOf(
  conversation: Conversation,
  pictures: readonly Picture[],
  report: PrefillReport,
  side?: number,
): Promise<readonly Overlay[]> {
  return Promise.all(
    patchesOf(pictures, report).map(async (drawn) => ({
      png: await overlayPng([drawn], optionsOf(conversation, side)),
      kept: drawn.patches.kept.length,
      tokens: drawn.patches.rows * drawn.patches.columns,
    })),
  );
}

/** One picture's overlay, and how many of its tokens were kept. */
export interface Overlay {
  readonly png: Buffer;
  readonly kept: number;
  readonly tokens: number;
}

function optionsOf(conversation: Conversation, side: number | undefined): OverlayOptions {
  return { square: conversation.cropsSquare, ...(side === undefined ? {} : { side }) };
}

function patchesOf(
  pictures: readonly Picture[],
  report: PrefillReport,
): readonly { readonly picture: Picture; readonly patches: KeptPatches }[] {
  const images = report.rows[0]?.images ?? [];
  // a picture cut into tiles has several: its last one is the whole picture
  const each = Math.max(1, Math.floor(images.length / pictures.length));
  return pictures.flatMap((picture, i) => {
    const patches = images[(i + 1) * each - 1];
    return patches === undefined ? [] : [{ picture, patches }];
  });
}
