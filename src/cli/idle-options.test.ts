// Options that say nothing where they are given are refused, in every command: the user meant something by them.
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../test/cli.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';

const DECODER = `${EMBEDDED_MODEL}/onnx/decoder_model_merged.onnx`;

describe('an option without effect is refused by its name', () => {
  it.each([
    ['run --seed 1 a.png what', '--seed'],
    ['run --repeat 5 a.png what', '--repeat'],
    ['chat --seed 1', '--seed'],
    ['eval --tasks scenes -o x --seed 1', '--seed'],
    ['eval --tasks scenes -o x --ratio 0 --layer 3', '--layer'],
    ['eval --tasks scenes -o x --ratio 0 --strategy grid', '--strategy'],
    ['eval --tasks scenes -o x --ratio 0 --strategy random --seed 2', '--strategy'],
    ['eval --tasks scenes -o x --ratio 0 --no-baseline', '--no-baseline'],
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
