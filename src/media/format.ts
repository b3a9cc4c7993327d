// What kind of file bytes are, by the marks that each format begins with. Decoders are asked only for the formats that
// they are meant to read: a library that decides by itself would also run SVG, PDF and the like, which are programs
// rather than pictures.

/** The formats of pictures that are read here. */
export const IMAGE_FORMATS: ReadonlySet<string> = new Set(['JPEG', 'PNG', 'WebP', 'GIF', 'AVIF']);

/** Formats that begin with fixed bytes, as latin1. */
const MARKS: readonly (readonly [format: string, offset: number, mark: string])[] = [
  ['JPEG', 0, '\xff\xd8\xff'],
  ['PNG', 0, '\x89PNG\r\n\x1a\n'],
  ['GIF', 0, 'GIF87a'],
  ['GIF', 0, 'GIF89a'],
  ['WebP', 8, 'WEBP'],
  ['TIFF', 0, 'II*\0'],
  ['TIFF', 0, 'MM\0*'],
  ['BMP', 0, 'BM'],
  ['PDF', 0, '%PDF'],
  ['Photoshop', 0, '8BPS'],
  ['JPEG XL', 0, '\xff\x0a'],
  ['JPEG XL', 4, 'JXL \r\n\x87\n'],
  ['JPEG 2000', 4, 'jP  \r\n\x87\n'],
];

/** The format of a file that begins with these bytes; undefined if it is none that is known here. */
export function formatOf(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096)).toString('latin1');
  if (head.startsWith('ftyp', 4)) return isoBrand(head);
  const found = MARKS.find(([, offset, mark]) => head.startsWith(mark, offset));
  if (found !== undefined) return found[0];
  return /^\s*</u.test(head) && head.includes('<svg') ? 'SVG' : undefined;
}

/** ISO base media files hold pictures (AVIF; HEIC, as iPhones take them) or films; their brands say which. */
function isoBrand(head: string): string {
  const end = Math.min(256, Math.max(16, head.charCodeAt(2) * 256 + head.charCodeAt(3)));
  const brands = head.slice(8, end);
  if (/avi[fs]/u.test(brands)) return 'AVIF';
  return /hei[cxms]|hev[cxms]|mif1|msf1/u.test(brands) ? 'HEIC' : 'MP4';
}
