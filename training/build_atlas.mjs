// Builds assets/scenes/atlas.{json,bin}: the sprites and glyphs that scenes are drawn from.
//
// It is run once (`node training/build_atlas.mjs`) and its output is committed, so that no resizing
// filter, font rasteriser or image codec stands between a scene's seed and its pixels. Sprites come
// from Microsoft's Fluent emoji (MIT, packaged as @lobehub/fluent-emoji-3d), names are checked
// against emojilib, glyphs come from JetBrains Mono (OFL 1.1, packaged by fontsource).
//
// atlas.bin is the gzip of one byte string; atlas.json says where each sprite lies in it.
// A sprite is height x width x 4 bytes of straight-alpha RGBA, a glyph height x width bytes of alpha.
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import opentype from 'opentype.js';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const names = require('emojilib/dist/emoji-en-US.json');

// One word a class, so that a tokenizer can make each a single token; plural with a plain -s or -es.
const classes = Object.fromEntries(
  `dog 🐶,cat 🐱,horse 🐴,cow 🐮,pig 🐷,rabbit 🐰,bear 🐻,panda 🐼,koala 🐨,tiger 🐯,lion 🦁,monkey 🐵,frog 🐸,penguin 🐧,chicken 🐔,owl 🦉,eagle 🦅,fox 🦊,elephant 🐘,snake 🐍,turtle 🐢,whale 🐳,dolphin 🐬,octopus 🐙,snail 🐌,butterfly 🦋,bee 🐝,spider 🕷️,crab 🦀,cactus 🌵,rose 🌹,tulip 🌷,sunflower 🌻,mushroom 🍄,apple 🍎,banana 🍌,lemon 🍋,watermelon 🍉,strawberry 🍓,peach 🍑,pineapple 🍍,tomato 🍅,carrot 🥕,corn 🌽,eggplant 🍆,broccoli 🥦,bread 🍞,cheese 🧀,hamburger 🍔,pizza 🍕,taco 🌮,egg 🥚,cake 🎂,doughnut 🍩,cookie 🍪,bus 🚌,taxi 🚕,tractor 🚜,bicycle 🚲,airplane ✈️,rocket 🚀,helicopter 🚁,house 🏠,castle 🏰,tent ⛺,umbrella ☂️,star ⭐,sun ☀️,cloud ☁️,snowflake ❄️,fire 🔥,rainbow 🌈,guitar 🎸,violin 🎻,drum 🥁,trumpet 🎺,camera 📷,laptop 💻,television 📺,radio 📻,clock ⏰,pencil ✏️,key 🔑,hammer 🔨,magnet 🧲,gift 🎁,balloon 🎈,trophy 🏆,basketball 🏀,crown 👑,backpack 🎒,skull 💀,ghost 👻,robot 🤖,alien 👽,bell 🔔,candle 🕯️,chair 🪑`
    .split(',')
    .map((entry) => entry.split(' ')),
);
const spriteSizes = [12, 16, 20, 24, 28, 32];
const glyphHeights = [6, 8, 12, 16]; // height of a capital, in pixels
const characters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'; // without I, O, 0 and 1, which look alike

const chunks = [];
let offset = 0;
const put = (bytes) => {
  chunks.push(bytes);
  const at = offset;
  offset += bytes.length;
  return at;
};

const codePoints = (emoji) => [...emoji].map((c) => c.codePointAt(0).toString(16).padStart(4, '0'));
const sprites = {};
for (const [word, emoji] of Object.entries(classes)) {
  const known = (names[emoji] ?? names[emoji.replace('\ufe0f', '')] ?? []).flatMap((n) => n.split('_'));
  if (!known.includes(word)) throw new Error(`emojilib does not call ${emoji} "${word}": ${known}`);
  const folder = 'node_modules/@lobehub/fluent-emoji-3d/assets/';
  const image = await sharp(`${folder}${codePoints(emoji).join('-')}.webp`).ensureAlpha().trim().png().toBuffer();
  sprites[word] = [];
  for (const size of spriteSizes) {
    const { data, info } = await sharp(image)
      .resize(size, size, { fit: 'inside' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 4) throw new Error(`${word}: ${info.channels} channels`);
    sprites[word].push({ size, width: info.width, height: info.height, offset: put(data) });
  }
}

const file = readFileSync('node_modules/@fontsource/jetbrains-mono/files/jetbrains-mono-latin-800-normal.woff');
const font = opentype.parse(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
const capital = font.charToGlyph('H').getBoundingBox();
const glyphs = {};
for (const height of glyphHeights) {
  const fontSize = (height * font.unitsPerEm) / capital.y2;
  const advance = Math.round((font.charToGlyph('H').advanceWidth * fontSize) / font.unitsPerEm);
  const cell = { width: advance, height: height + 2 }; // one row above and below for round letters
  glyphs[height] = { ...cell, characters: {} };
  for (const character of characters) {
    const path = font.charToGlyph(character).getPath(0, height + 1, fontSize).toPathData(3);
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${cell.width}" height="${cell.height}"><path d="${path}" fill="#fff"/></svg>`;
    const data = await sharp(Buffer.from(svg)).ensureAlpha().extractChannel('alpha').raw().toBuffer();
    if (data.length !== cell.width * cell.height) throw new Error(`${character}: ${data.length} bytes`);
    glyphs[height].characters[character] = put(data);
  }
}

mkdirSync('assets/scenes', { recursive: true });
writeFileSync('assets/scenes/atlas.bin', gzipSync(Buffer.concat(chunks), { level: 9 }));
writeFileSync('assets/scenes/atlas.json', JSON.stringify({ spriteSizes, sprites, glyphs }) + '\n');
console.error(`${Object.keys(sprites).length} classes, ${characters.length} characters, ${offset} bytes`);
