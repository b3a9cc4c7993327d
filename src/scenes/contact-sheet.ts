/** Many images on one sheet, to look at. */
import sharp, { type OverlayOptions } from 'sharp';
import type { Atlas } from './atlas.js';
import type { Item } from './dataset.js';
import { renderScene } from './render.js';
import { IMAGE_SIZE } from './scene.js';

const SCALE = 2;
const CELL_WIDTH = 250;
const LINE_HEIGHT = 14;
const MARGIN = 8;

/** A PNG of items, `columns` side by side, each with its family, question and answer below, whole. */
export async function contactSheet(items: readonly Item[], atlas: Atlas, columns = 6): Promise<Buffer> {
  const side = IMAGE_SIZE * SCALE;
  const captions = items.map(({ family, question, answer }) => [
    family,
    ...wrap(`${question} — ${answer}`, 40),
  ]);
  // where each row begins, and where the last one ends: a row is as high as its longest caption
  const tops = [MARGIN];
  for (let first = 0; first < Math.max(1, items.length); first += columns) {
    const lines = Math.max(1, ...captions.slice(first, first + columns).map((caption) => caption.length));
    tops.push((tops.at(-1) ?? 0) + side + (lines + 1) * LINE_HEIGHT + MARGIN);
  }
  const layers: OverlayOptions[] = [];
  const texts: string[] = [];
  for (const [i, item] of items.entries()) {
    const left = MARGIN + (i % columns) * CELL_WIDTH;
    const top = tops[Math.floor(i / columns)] ?? 0;
    // several images share the square of one
    const across = Math.ceil(Math.sqrt(item.scenes.length));
    const small = Math.floor(side / across) - (across > 1 ? 2 : 0);
    for (const [k, scene] of item.scenes.entries()) {
      const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const;
      const input = await sharp(renderScene(scene, atlas), { raw })
        .resize(small, small, { kernel: across > 1 ? 'lanczos3' : 'nearest' })
        .png()
        .toBuffer();
      layers.push({
        input,
        left: left + (k % across) * (small + 2),
        top: top + Math.floor(k / across) * (small + 2),
      });
    }
    captions[i]?.forEach((line, n) => {
      const y = top + side + 13 + n * LINE_HEIGHT;
      const weight = n === 0 ? ' font-weight="bold"' : '';
      texts.push(`<text x="${String(left)}" y="${String(y)}"${weight}>${escape(line)}</text>`);
    });
  }
  const [width, height] = [2 * MARGIN + columns * CELL_WIDTH, tops.at(-1) ?? 0];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" font-family="sans-serif" font-size="11">${texts.join('')}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1] ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
