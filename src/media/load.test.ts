import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evenly, sideFor } from './decode.js';
import { LIMITS } from './limits.js';
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

/** A black picture of so many pixels, of a few bytes. */
const large = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: '#000' }, limitInputPixels: false });

describe('loadMedia', () => {
  it('takes fewer pixels of what is held whole while it is decoded', async () => {
    for (const [name, bytes, most] of [
      ['large.avif', await large(4001, 4000).avif({ effort: 0 }).toBuffer(), 16],
      ['progressive.jpg', await large(6400, 6251).jpeg({ progressive: true }).toBuffer(), 40],
      ['interlaced.png', await large(6400, 6251).png({ progressive: true }).toBuffer(), 40],
    ] as const)
      await expect(loadMedia(await write(name, bytes)), name).rejects.toMatchObject({
        ...{ code: 'invalid-input', hint: `At most ${most} megapixels are read; shrink it first.` },
      });
  });

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

  it.each([
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', /HEIC is no image format/, /Convert it to JPEG/],
    ['a HEIC of another brand', '\0\0\0\x18ftypmif1\0\0\0\0mif1heix', /HEIC/, /Convert it to JPEG/],
    ['a film', '\0\0\0\x18ftypisom\0\0\0\0isommp42', /MP4/, /need ffmpeg/],
    ['BMP', 'BM\x46\0\0\0', /BMP is no image format/, /JPEG, PNG/],
    ['PDF', '%PDF-1.7', /PDF is no image format/, /JPEG, PNG/],
    ['TIFF', 'II*\0\x08\0\0\0', /TIFF is no image format/, /JPEG, PNG/],
    [
      'SVG',
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
      /SVG is no image format/,
      /JPEG/,
    ],
    ['a web page', '<!doctype html><title>404</title>', /this is no image/, /JPEG, PNG/],
  ])('names %s, and says what to do', async (name, head, message, hint) => {
    const path = await write(`${name}.png`, Buffer.from(head, 'latin1'));
    await expect(loadMedia(path)).rejects.toMatchObject({
      code: 'invalid-input',
      where: path,
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    });
  });

  it.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)(
    'calls a %s that breaks off broken, wherever it does',
    async (format) => {
      const whole = await sharp({ create: { ...red.create, width: 300, height: 200 } })
        .toFormat(format)
        .toBuffer();
      for (const length of [16, 40, Math.floor(whole.length / 2)]) {
        const path = await write('cut', whole.subarray(0, length));
        await expect(loadMedia(path), String(length)).rejects.toThrow(/the image is broken/);
      }
    },
  );

  it.skipIf(process.platform === 'win32')(
    'reads no pipe, device, or link out of a folder of frames',
    async () => {
      const frames = await mkdtemp(join(folder, 'hostile-'));
      const png = await sharp(red).png().toBuffer();
      const outside = await write('private.png', png);
      const refused = async (message: RegExp): Promise<void> => {
        await expect(loadMedia(frames)).rejects.toMatchObject({
          code: 'invalid-input',
          message: expect.stringMatching(message) as string,
        });
      };
      await symlink(outside, join(frames, '1.png'));
      await refused(/leads outside/);
      await rm(join(frames, '1.png'));
      await symlink('/dev/zero', join(frames, '1.png'));
      await refused(/no file but a pipe, a socket or a device/);
      await rm(join(frames, '1.png'));
      execFileSync('mkfifo', [join(frames, '1.png')]);
      await refused(/no file but a pipe/);
      await rm(join(frames, '1.png'));
      await writeFile(join(frames, '1.png'), png);
      await symlink('1.png', join(frames, '2.png'));
      expect((await loadMedia(frames)).pictures).toHaveLength(2);
    },
  );

  it('shrinks frames to what may be held of so many', async () => {
    expect(sideFor(1)).toBe(4096);
    for (const count of [8, 64, 256])
      expect(count * sideFor(count) ** 2).toBeLessThanOrEqual(LIMITS.heldPixels);
    const frames = await mkdtemp(join(folder, 'large-'));
    const png = await sharp({ create: { ...red.create, width: 4000, height: 400 } })
      .png()
      .toBuffer();
    for (let i = 0; i < 32; i++) await writeFile(join(frames, `${i}.png`), png);
    const { pictures } = await loadMedia(frames, { frames: 32 });
    expect(pictures[0]?.width).toBe(sideFor(32));
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
