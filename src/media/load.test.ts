import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evenly } from './decode.js';
import { loadMedia } from './load.js';
import { splitPngs } from './video.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-media-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const red = { create: { width: 6, height: 4, channels: 3, background: '#ff0000' } } as const;

async function write(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

describe('loadMedia', () => {
  it.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)(
    'reads %s, whatever the name says',
    async (format) => {
      const path = await write(`red-${format}.png`, await sharp(red).toFormat(format).toBuffer());
      const { pictures } = await loadMedia(path);
      expect(pictures).toHaveLength(1);
      const [picture] = pictures;
      expect([picture?.width, picture?.height]).toEqual([6, 4]);
      expect(picture?.data).toHaveLength(72);
      expect(picture?.data[0]).toBeGreaterThan(240);
      expect(picture?.data[1]).toBeLessThan(15);
    },
  );

  it('reads grey, transparent and 16-bit pictures as RGB', async () => {
    const grey = await write('grey.png', await sharp(red).greyscale().png().toBuffer());
    expect((await loadMedia(grey)).pictures[0]?.data).toHaveLength(72);
    const clear = {
      create: { width: 2, height: 2, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    } as const;
    const transparent = await write('clear.png', await sharp(clear).png().toBuffer());
    expect([...((await loadMedia(transparent)).pictures[0]?.data ?? [])]).toEqual(new Array(12).fill(255));
    const deep = await write('deep.png', await sharp(red).toColourspace('rgb16').png().toBuffer());
    expect((await loadMedia(deep)).pictures[0]?.data[0]).toBe(255);
  });

  it('turns a photo the way the camera was held', async () => {
    const path = await write(
      'turned.jpg',
      await sharp(red).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    );
    expect((await loadMedia(path)).pictures[0]).toMatchObject({ width: 4, height: 6 });
  });

  it('shrinks a 40-megapixel photo', async () => {
    const big = { create: { ...red.create, width: 8000, height: 5000 } } as const;
    const path = await write('big.jpg', await sharp(big).jpeg().toBuffer());
    expect((await loadMedia(path)).pictures[0]).toMatchObject({ width: 4096, height: 2560 });
  });

  it('takes frames of an animated GIF evenly, and of a folder in the order of their numbers', async () => {
    const colours = ['#000000', '#404040', '#808080', '#c0c0c0'];
    const frames = await Promise.all(
      colours.map((background) =>
        sharp({ create: { ...red.create, background } })
          .png()
          .toBuffer(),
      ),
    );
    const gif = await write(
      'moving.gif',
      await sharp(frames, { join: { animated: true } })
        .gif()
        .toBuffer(),
    );
    const greys = (pictures: readonly { data: Uint8ClampedArray }[]): number[] =>
      pictures.map(({ data }) => Math.round((data[0] ?? 0) / 64));
    expect(greys((await loadMedia(gif)).pictures)).toEqual([0, 1, 2, 3]);
    expect(greys((await loadMedia(gif, { frames: 2 })).pictures)).toEqual([1, 3]);

    const sequence = await mkdtemp(join(folder, 'frames-'));
    await Promise.all(
      frames.map((frame, i) => writeFile(join(sequence, `frame-${[1, 2, 10, 11][i] ?? 0}.png`), frame)),
    );
    expect(greys((await loadMedia(sequence)).pictures)).toEqual([0, 1, 2, 3]);
  });

  it('refuses what is no picture, saying where', async () => {
    const text = await write('text.png', 'this is a text file');
    await expect(loadMedia(text)).rejects.toMatchObject({ code: 'invalid-input', where: text });
    const svg = await write('drawing.png', '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
    await expect(loadMedia(svg)).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(loadMedia(await write('empty.png', ''))).rejects.toMatchObject({ code: 'invalid-input' });
    const whole = await sharp({ create: { ...red.create, width: 300, height: 300 } })
      .png()
      .toBuffer();
    const half = await write('half.png', whole.subarray(0, whole.length / 2));
    await expect(loadMedia(half)).rejects.toMatchObject({ code: 'invalid-input', where: half });
    await expect(loadMedia(join(folder, 'absent.png'))).rejects.toMatchObject({ code: 'invalid-input' });
    const none = await mkdtemp(join(folder, 'none-'));
    await expect(loadMedia(none)).rejects.toMatchObject({ code: 'invalid-input', where: none });
  });

  it('refuses a pixel bomb before decoding it', async () => {
    // a small PNG whose header claims more: what a real bomb looks like before it is decoded
    const png = await sharp(red).png().toBuffer();
    png.writeUInt32BE(20_000, 16);
    png.writeUInt32BE(20_000, 20);
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    const path = await write('bomb.png', png);
    await expect(loadMedia(path)).rejects.toThrow(/20000 x 20000/u);
  });

  it('fetches nothing without permission', async () => {
    await expect(loadMedia('https://example.invalid/a.png')).rejects.toMatchObject({
      hint: 'Add --allow-network.',
    });
    await expect(loadMedia('file:///etc/hostname', { allowNetwork: true })).rejects.toMatchObject({
      code: 'invalid-input',
    });
  });
});

describe('splitPngs', () => {
  it('splits PNGs that follow each other', async () => {
    const png = await sharp(red).png().toBuffer();
    const parts = splitPngs(Buffer.concat([png, png, png]));
    expect(parts.map((part) => part.length)).toEqual([png.length, png.length, png.length]);
    expect(splitPngs(Buffer.from('nothing'))).toEqual([]);
  });
});

describe('evenly', () => {
  it('takes the middle of each share', () => {
    expect(evenly(10, 2)).toEqual([2, 7]);
    expect(evenly(3, 3)).toEqual([0, 1, 2]);
  });
});
