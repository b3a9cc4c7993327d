/** How much room text takes, without a font at hand: an estimate that is rather too large. */
import { FONT_SIZE } from './theme.js';

/** Characters by their width in ems, as wide as they are in the wider of the common fonts (DejaVu Sans). */
const NARROW = /[iljtfrI.,:;|!'’()[\] ]/u;
const WIDE = /[mwMWQO@%—]/u;
const NORMAL = /[a-z0-9+=<>"*/_\u00c0-\u024f-]/u;

function characterWidth(character: string): number {
  if (NARROW.test(character)) return 0.36;
  if (WIDE.test(character)) return 0.95;
  if (NORMAL.test(character)) return 0.61;
  // capitals; what is not Latin may be square
  return /[A-Z]/.test(character) ? 0.7 : 1;
}

/** @returns pixels */
export function textWidth(text: string, fontSize: number = FONT_SIZE): number {
  return Array.from(text).reduce((sum, character) => sum + fontSize * characterWidth(character), 0);
}

/** Text that fits into so many pixels, cut off with an ellipsis if it must be. */
export function fitText(text: string, width: number, fontSize: number = FONT_SIZE): string {
  if (textWidth(text, fontSize) <= width) return text;
  let room = width - fontSize;
  const kept: string[] = [];
  for (const character of text) {
    room -= fontSize * characterWidth(character);
    if (room < 0) break;
    kept.push(character);
  }
  return `${kept.join('')}…`;
}

/** Text in lines of so many pixels, broken between words; a word that is longer than a line is cut off. */
export function wrapText(text: string, width: number, fontSize: number = FONT_SIZE): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    const longer = line === undefined ? word : `${line} ${word}`;
    if (line === undefined || textWidth(longer, fontSize) > width) lines.push(fitText(word, width, fontSize));
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
