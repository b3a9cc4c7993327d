import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { picture, readPicture, rowBudget } from './picture.js';
import type { Row } from './row.js';
import { readFrames, spread } from './video.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-picture-'));
const folder = join(root, 'images');
const row: Row = { file: 'f.jsonl', index: 3, fields: {} };
let png: Buffer;

beforeAll(async () => {
  mkdirSync(join(folder, 'clip'), { recursive: true });
  png = await sharp({ create: { width: 5, height: 4, channels: 3, background: '#ff8000' } })
    .png()
    .toBuffer();
  writeFileSync(join(folder, 'a.png'), png);
  writeFileSync(join(root, 'secret.png'), png);
  symlinkSync(join(root, 'secret.png'), join(folder, 'link.png'));
  for (let i = 0; i < 10; i++) {
    const frame = sharp({
      create: { width: 3, height: 2, channels: 3, background: { r: 20 * i, g: 0, b: 0 } },
    });
    writeFileSync(join(folder, 'clip', `${String(i).padStart(4, '0')}.png`), await frame.png().toBuffer());
  }
  const pixels = Buffer.alloc(8 * 8 * 3 * 4);
  for (let i = 0; i < 4; i++) pixels.fill(60 * i, 192 * i, 192 * (i + 1));
  const gif = await sharp(pixels, { raw: { width: 8, height: 32, channels: 3, pageHeight: 8 } })
    .gif()
    .toBuffer();
  writeFileSync(join(folder, 'anim.gif'), gif);
});

describe('readPicture', () => {
  it('decodes bytes, {bytes, path}, a path, a data URL, to the same', async () => {
    const values = [
      new Uint8Array(png),
      { bytes: new Uint8Array(png), path: '../x.png' },
      { bytes: null, path: 'a.png' },
      'a.png',
      './clip/../a.png',
      `data:image/png;base64,${png.toString('base64')}`,
    ];
    const pictures = await Promise.all(values.map((v) => readPicture(row, 'image', v, folder)));
    for (const p of pictures) {
      expect([p.width, p.height, p.data.length]).toEqual([5, 4, 60]);
      expect([...p.data.subarray(0, 3)]).toEqual([255, 128, 0]);
      expect(p.key).toBe(pictures[0]?.key);
    }
  });

  it('makes RGB of gray and transparent images', async () => {
    const gray = await sharp(Buffer.from([0, 100, 200, 255]), { raw: { width: 2, height: 2, channels: 1 } })
      .png()
      .toBuffer();
    const p = await readPicture(row, 'image', new Uint8Array(gray));
    expect([...p.data]).toEqual([0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255]);
    const clear = await sharp({
      create: { width: 1, height: 1, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toBuffer();
    expect([...(await readPicture(row, 'image', new Uint8Array(clear))).data]).toEqual([255, 255, 255]);
  });

  it('has keys that differ with the pixels and the shape', () => {
    const data = new Uint8Array(6);
    expect(picture(2, 1, data).key).not.toBe(picture(1, 2, data).key);
    expect(picture(2, 1, data).key).not.toBe(picture(2, 1, new Uint8Array([1, 0, 0, 0, 0, 0])).key);
  });

  it.each([
    '../secret.png',
    '/etc/passwd',
    'clip/../../secret.png',
    'link.png',
    '..\\secret.png',
    'a\0.png',
    '..',
    '.',
    '',
  ])('refuses the path %j', async (path) => {
    await expect(readPicture(row, 'image', { path: path === '' ? '.' : path }, folder)).rejects.toMatchObject(
      {
        code: 'invalid-input',
        message: 'the path leads outside the image folder',
        where: 'f.jsonl, row 3, field image.path',
      },
    );
  });

  it.each([
    ['absent.png', /no file/],
    [42, /an image is needed, this is 42/],
    [null, /absent/],
    [{}, /an object/],
    [[1], /a list/],
    [new Uint8Array([1, 2, 3]), /not an image/],
    ['data:image/png;base64,AAAA', /not an image/],
  ])('refuses %j', async (value, message) => {
    await expect(readPicture(row, 'image', value, folder)).rejects.toThrow(message);
  });

  it('refuses paths without a folder, and images of too many pixels', async () => {
    await expect(readPicture(row, 'image', 'a.png')).rejects.toThrow(/no image folder/);
    const bomb = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000"/>');
    await expect(readPicture(row, 'image', new Uint8Array(bomb))).rejects.toThrow(/not an image/);
  });
});

describe('a hostile picture', () => {
  const refused = (message: RegExp): unknown =>
    expect.objectContaining({
      ...{ name: 'FastvError', code: 'invalid-input' },
      where: expect.stringMatching(/^f.jsonl, row 3, field image/) as string,
      message: expect.stringMatching(message) as string,
    });

  it('that is a program is not run: SVG, PDF, TIFF', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    const tiff = await sharp(png).tiff().toBuffer();
    for (const [bytes, format] of [
      [Buffer.from(svg), 'SVG'],
      [Buffer.from('%PDF-1.7'), 'PDF'],
      [tiff, 'TIFF'],
    ] as const) {
      await expect(readPicture(row, 'image', new Uint8Array(bytes))).rejects.toEqual(
        refused(new RegExp(`not an image that can be decoded: ${format} is no image format`)),
      );
    }
    const url = `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
    await expect(readPicture(row, 'image', url)).rejects.toEqual(refused(/SVG is no image format/));
  });

  it('is refused where all pictures of its row are too much', async () => {
    const create = { width: 8000, height: 8000, channels: 3, background: '#fff' } as const;
    const bomb = new Uint8Array(await sharp({ create }).png().toBuffer());
    const budget = rowBudget();
    expect((await readPicture(row, 'image[0]', bomb, undefined, budget)).width).toBe(4096);
    await readPicture(row, 'image[1]', bomb, undefined, budget);
    await expect(readPicture(row, 'image[2]', bomb, undefined, budget)).rejects.toEqual(
      refused(/more than 150 megapixels in all/),
    );
  });

  it.skipIf(process.platform === 'win32')(
    'that is a pipe, a folder or no possible path can be skipped',
    async () => {
      execFileSync('mkfifo', [join(folder, 'pipe.png')]);
      mkdirSync(join(folder, 'folder.png'));
      symlinkSync('circle.png', join(folder, 'circle.png'));
      for (const [path, message] of [
        ['pipe.png', /cannot be read: it is a folder, a pipe or a device/],
        ['folder.png', /cannot be read: it is a folder/],
        ['circle.png', /cannot be read: ELOOP/],
        ['n'.repeat(300), /cannot be read: ENAMETOOLONG/],
        ['a.png/x.png', /cannot be read: ENOTDIR/],
      ] as const) {
        await expect(readPicture(row, 'image', { path }, folder), path).rejects.toEqual(refused(message));
        const error: unknown = await readFrames(row, 'image', path, 4, folder).catch(
          (cause: unknown) => cause,
        );
        expect(error, path).toMatchObject({ name: 'FastvError', code: 'invalid-input' });
        // the user's real paths are nobody's business
        expect(String(error)).not.toContain(folder);
      }
      rmSync(join(folder, 'pipe.png'));
    },
  );
});

describe('readFrames', () => {
  it('spreads frames evenly', () => {
    expect(spread(10, 4)).toEqual([0, 3, 6, 9]);
    expect(spread(3, 8)).toEqual([0, 1, 2]);
    expect(spread(9, 1)).toEqual([4]);
  });
  it('takes them from a folder, or a GIF', async () => {
    const frames = await readFrames(row, 'video_name', 'clip', 4, folder);
    expect(frames.map((f) => f.data[0])).toEqual([0, 60, 120, 180]);
    expect(await readFrames(row, 'video_name', 'clip.mp4', 2, folder)).toHaveLength(2);
    const gif = await readFrames(row, 'video_name', 'anim', 8, folder);
    expect(gif.map((f) => f.height)).toEqual([8, 8, 8, 8]);
    expect(new Set(gif.map((f) => f.key)).size).toBe(4);
  });
  it('refuses absent videos and paths outside', async () => {
    await expect(readFrames(row, 'video_name', 'absent.avi', 4, folder)).rejects.toThrow(
      /there is no video "absent.avi"/,
    );
    await expect(readFrames(row, 'video_name', '../images/clip/../..', 4, folder)).rejects.toThrow(/outside/);
  });
});
