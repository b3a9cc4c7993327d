// Git LFS keeps large files elsewhere; a clone without it holds a text of three lines in the place of each.

const BEGINNING = 'version https://git-lfs.github.com/spec/';

/** What to do about a pointer. */
export const LFS_HINT = 'Fetch the file itself: run "git lfs pull" in the clone.';

/** Whether these bytes, the beginning of a file at least, are such a pointer. */
export function isLfsPointer(bytes: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(bytes.subarray(0, BEGINNING.length)) === BEGINNING;
}
