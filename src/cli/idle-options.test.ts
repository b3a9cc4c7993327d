// Options that say nothing where they are given are refused, in every command: the user meant something by them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../test/cli.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';

const DECODER = `${EMBEDDED_MODEL}/onnx/decoder_model_merged.onnx`;

describe('an option without effect is refused by its name', () => {
  it.each([
    ['run --seed 1 a.png what', '--seed'],
    ['run --repeat 5 a.png what', '--repeat'],
    ['run --ratio 0 --layer 3 a.png what', '--layer'],
    ['run --ratio 0 --strategy grid a.png what', '--strategy'],
    ['run --ratio 0 --preset sizes a.png what', '--preset'],
    ['chat --seed 1', '--seed'],
    ['serve --seed 1 --print-config', '--seed'],
    ['eval --tasks scenes -o x --seed 1', '--seed'],
    ['eval --tasks scenes -o x --ratio 0 --layer 3', '--layer'],
    ['eval --tasks scenes -o x --ratio 0 --strategy grid', '--strategy'],
    ['eval --tasks scenes -o x --ratio 0 --strategy random --seed 2', '--strategy'],
    ['eval --tasks scenes -o x --ratio 0 --no-baseline', '--no-baseline'],
    ['eval --tasks scenes -o x --ratio 0 --weights sizes', '--weights'],
    ['eval --tasks scenes -o x --ratio 0 --merge mean', '--merge'],
    ['eval --tasks scenes -o x --limit 1 --data d', '--data'],
    ['eval --tasks scenes -o x --limit 1 --images d', '--images'],
    ['eval --tasks scenes -o x --limit 1 --sample first', '--sample'],
    ['eval --tasks scenes -o x --limit 1 --sample-seed 1', '--sample-seed'],
    ['eval --tasks scenes -o x --limit 1 --choices likelihood', '--choices'],
    ['eval --tasks pope -o x --sample first', '--sample'],
    ['eval --tasks pope -o x --sample-seed 3', '--sample-seed'],
    ['eval --tasks pope -o x --limit 1 --sample first --sample-seed 3', '--sample-seed'],
    ['eval --tasks pope -o x --revision v2', '--revision'],
    ['eval --tasks pope,vqav2 -o x --choices likelihood', '--choices'],
    ['sweep --tasks scenes -o x --limit 1 --data d', '--data'],
    ['sweep --tasks scenes -o x --limit 1 --baseline-layers 3', '--baseline-layers'],
    [
      'sweep --tasks scenes -o x --limit 1 --layers 2,3 --baseline-layers 3 --seeds 4,5,6 --strategies grid --budgets 5 --no-downsample',
      '--no-downsample',
    ],
    ['sweep --tasks scenes -o x --limit 1 --layers 0 --strategies attention', '--strategies'],
    ['sweep --tasks scenes -o x --limit 1 --queue redis://127.0.0.1:1 --yes', '--yes'],
    ['analyze -o x --data d', '--data'],
    ['build . -o x --revision v2', '--revision'],
    ['compare x --format csv', '--format'],
    [`rewrite ${DECODER} -o x -k 2 --mode mask --no-early-queries`, '--no-early-queries'],
    ['models --allow-network', '--allow-network'],
    ['scenes x --questions-per-image 3', '--questions-per-image'],
    ['scenes x --images-per-conversation 2', '--images-per-conversation'],
    ['scenes x --layout conversations --split test', '--split'],
    ['scenes x --layout conversations --family text', '--family'],
    ['scenes x --layout conversations --no-images', '--no-images'],
    ['scenes x --layout conversations --no-sheet', '--no-sheet'],
    [
      'scenes x --layout conversations --images-per-conversation 2 --questions-per-image 3',
      '--questions-per-image',
    ],
    ['cost --model llava-1.5-7b -k 2 -r 0.5 --image-tokens 9 --images 2', '--images'],
    ['quantize x -o y --block 32', '--block'],
    ['quantize x -o y --limit 3', '--limit'],
    ['quantize x -o y --dtype q8', '--dtype'],
    [`quantize ${DECODER} -o ${tmpdir()}/fastv-idle.onnx --exclude lm_head no-such-layer`, '--exclude'],
  ])('fastv %s', async (line, option) => {
    const { code, out, err } = await runCli(...line.split(' '), '--json');
    const { error } = JSON.parse(out) as { error: { code: string; where: string; hint: string } };
    expect({ code, err, where: error.where }).toMatchObject({ code: 2, where: option });
    expect(error.hint).toMatch(/\w/u);
  });
});

describe('frames', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-frames-'));
    const still = { width: 8, height: 8, channels: 3, background: 'red' } as const;
    await writeFile(join(folder, 'still.png'), await sharp({ create: still }).png().toBuffer());
    await writeFile(join(folder, 'still.gif'), await sharp({ create: still }).gif().toBuffer());
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it.each(['still.png', 'still.gif'])('are not taken of %s', async (name) => {
    const { code, err } = await runCli('run', '--frames', '3', join(folder, name), 'what');
    expect(code).toBe(2);
    expect(err).toMatch(/^error: no input is a video\n {2}where: --frames\n/u);
  });

  it('are so many at most', async () => {
    const { code, err } = await runCli('run', '--frames', '257', join(folder, 'still.png'), 'what');
    expect(code).toBe(2);
    expect(err).toMatch(/"257" is no whole number, 1 to 256\n {2}where: --frames\n/u);
  });
});

it.each(['run --kept-indices a.png what', 'chat --kept-indices'])('fastv %s needs --json', async (line) => {
  const { code, out, err } = await runCli(...line.split(' '));
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain('where: --kept-indices');
});

it('what a sweep cannot do is said before a model is loaded for it', async () => {
  const { code, err } = await runCli('sweep', '--tasks', 'scenes', '--model', '/nowhere', '-o', '/nowhere/x');
  expect(code).toBe(2);
  expect(err).toMatch(/has no end, so a limit is needed/u);
});

it('a decoder with fewer positions than bench is asked for is refused before anything is timed', async () => {
  const { code, err } = await runCli('bench', DECODER, '--image-tokens', '5000');
  expect(code).toBe(2);
  expect(err).toMatch(/^error: 5064 tokens are more than this decoder's 2048 positions\n/u);
});
