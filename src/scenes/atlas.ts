/**
 * The sprites and glyphs that scenes are drawn from: assets/scenes/atlas.{json,bin}, built once by
 * training/build_atlas.mjs. Nothing is resized when a scene is drawn.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FastvError } from '../errors.js';
import { bundledFolder, GET_BUNDLED } from '../files/bundled.js';

export interface Sprite {
  readonly size: number;
  readonly width: number;
  readonly height: number;
  /** Straight-alpha RGBA, [height, width, 4]. */
  readonly pixels: Uint8Array;
}

export interface GlyphSet {
  /** The height of a capital; a cell is `width` × `height`, and cells stand side by side. */
  readonly size: number;
  readonly width: number;
  readonly height: number;
  /** Alpha by character, [height, width]. */
  readonly alpha: ReadonlyMap<string, Uint8Array>;
}

export interface Atlas {
  readonly classes: readonly string[];
  readonly spriteSizes: readonly number[];
  readonly characters: readonly string[];
  readonly glyphSizes: readonly number[];
  /** @throws FastvError if there is no such class or size. */
  sprite(name: string, size: number): Sprite;
  /** @throws FastvError if there is no such size. */
  glyphs(size: number): GlyphSet;
}

/** What atlas.json holds. */
export interface AtlasIndex {
  readonly spriteSizes: readonly number[];
  readonly sprites: Readonly<
    Record<
      string,
      readonly {
        readonly size: number;
        readonly width: number;
        readonly height: number;
        readonly offset: number;
      }[]
    >
  >;
  readonly glyphs: Readonly<
    Record<
      string,
      {
        readonly width: number;
        readonly height: number;
        readonly characters: Readonly<Record<string, number>>;
      }
    >
  >;
}

/** Makes an atlas of an index and its (unzipped) bytes. Needs no file system. */
export function makeAtlas(index: AtlasIndex, bytes: Uint8Array): Atlas {
  const sprites = new Map<string, Sprite>();
  for (const [name, sizes] of Object.entries(index.sprites)) {
    for (const { size, width, height, offset } of sizes) {
      const pixels = bytes.subarray(offset, offset + 4 * width * height);
      sprites.set(`${name} ${String(size)}`, { size, width, height, pixels });
    }
  }
  const glyphs = new Map<number, GlyphSet>();
  for (const [size, set] of Object.entries(index.glyphs)) {
    const { width, height } = set;
    const alpha = new Map(
      Object.entries(set.characters).map(([c, at]) => [c, bytes.subarray(at, at + width * height)]),
    );
    glyphs.set(Number(size), { size: Number(size), width, height, alpha });
  }
  const first = [...glyphs.values()][0];
  return {
    classes: Object.keys(index.sprites),
    spriteSizes: index.spriteSizes,
    characters: first === undefined ? [] : [...first.alpha.keys()].sort(),
    glyphSizes: [...glyphs.keys()],
    sprite(name, size) {
      const sprite = sprites.get(`${name} ${String(size)}`);
      if (sprite === undefined)
        throw new FastvError('invalid-input', `no sprite of ${name} at ${String(size)} pixels`);
      return sprite;
    },
    glyphs(size) {
      const set = glyphs.get(size);
      if (set === undefined)
        throw new FastvError('invalid-input', `no glyphs with capitals of ${String(size)} pixels`);
      return set;
    },
  };
}

let loaded: Atlas | undefined;

/** The atlas of fastv's scenes; read once. @throws {FastvError} `io` where it is not installed */
export function loadAtlas(): Atlas {
  if (loaded === undefined) {
    const folder = bundledFolder('assets/scenes');
    if (folder === undefined) {
      throw new FastvError('io', 'the parts of the scenes are missing from this installation', {
        where: 'fastv-scenes',
        hint: GET_BUNDLED,
      });
    }
    const index = JSON.parse(readFileSync(join(folder, 'atlas.json'), 'utf8')) as AtlasIndex;
    loaded = makeAtlas(index, gunzipSync(readFileSync(join(folder, 'atlas.bin'))));
  }
  return loaded;
}
