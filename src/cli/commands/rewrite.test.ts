import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, type CliResult } from '../../../test/cli.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import { decodeModel } from '../../onnx/index.js';

const decoder = toyDecoder(toyFamily('gqa').config);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-rewrite-'));
  await writeFile(join(folder, 'in.onnx'), decoder.bytes);
});
afterEach(() => rm(folder, { recursive: true }));

/** `fastv rewrite in.onnx -o out.onnx …` */
function rewrite(...flags: string[]): Promise<CliResult> {
  return runCli('rewrite', join(folder, 'in.onnx'), '-o', join(folder, 'out.onnx'), ...flags);
}

async function written(): Promise<ReturnType<typeof decodeModel>> {
  return decodeModel(await readFile(join(folder, 'out.onnx')));
}

describe('fastv rewrite', () => {
  it('writes the decoder, what it is in its metadata, and says where it cut', async () => {
    const { code, out, err } = await rewrite('--layer', '2');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^K = 2: cut after \S*layers\.1\S*; queries of .*\n.*out\.onnx: 4 layers, \d+ → \d+ nodes, attention\n$/,
    );
    const model = await written();
    expect(model.graph.input.map(({ name }) => name)).toContain('image_token_mask');
    const metadata = new Map(model.metadataProps.map(({ key, value }) => [key, value]));
    expect(metadata.get('fastv.strategy')).toBe('attention');
    expect(JSON.parse(metadata.get('fastv.stages') ?? '')).toEqual([{ layer: 2 }]);
  });

  it('prints one JSON document', async () => {
    const { code, out } = await rewrite('-k', '1', '--strategy', 'external', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      output: join(folder, 'out.onnx'),
      dataFiles: [],
      layers: 4,
      strategy: 'external',
      mode: 'drop',
      stages: [{ layer: 1 }],
    });
  });

  it('writes what kept tokens stand for, by a preset too', async () => {
    const { code, out } = await rewrite(
      '--layer',
      '2',
      '--preset',
      'sizes',
      '--strategy',
      'attention',
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ strategy: 'attention', weights: 'sizes', merge: 'mean' });
    const metadata = new Map((await written()).metadataProps.map(({ key, value }) => [key, value]));
    expect([metadata.get('fastv.weights'), metadata.get('fastv.merge')]).toEqual(['sizes', 'mean']);
    const masked = await rewrite('--layer', '2', '--weights', 'sizes', '--mode', 'mask');
    expect(masked).toMatchObject({ code: 2, err: expect.stringContaining('mode') as string });
  });

  it('takes several stages with their R', async () => {
    const { code } = await rewrite('--stage', '1:0.5', '--stage', '3:75%');
    expect(code).toBe(0);
    const { metadataProps } = await written();
    expect(JSON.parse(metadataProps.find(({ key }) => key === 'fastv.stages')?.value ?? '')).toEqual([
      { layer: 1, ratio: 0.5 },
      { layer: 3, ratio: 0.75 },
    ]);
  });

  it.each([
    ['no layer', []],
    ['K out of range', ['--layer', '4']],
    ['a K that is no number', ['--layer', '2.5']],
    ['K = 0 with attention', ['--layer', '0']],
    ['layer and stage', ['--layer', '2', '--stage', '2:0.5']],
    ['R out of range', ['--stage', '2:1.5']],
    ['stages out of order', ['--stage', '3:0.5', '--stage', '1:0.5']],
    ['an unknown strategy', ['--layer', '2', '--strategy', 'guess']],
    ['an unknown mode', ['--layer', '2', '--mode', 'hide']],
  ])('%s: exit code 2, nothing written', async (_, flags) => {
    const { code, out, err } = await rewrite(...flags);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^error: /);
    expect(err).not.toMatch(/\n\s+at /);
    expect(await readdir(folder)).toEqual(['in.onnx']);
  });

  it('a refused decoder: exit code 1, nothing written', async () => {
    await writeFile(join(folder, 'in.onnx'), decoder.bytes.subarray(0, 2000));
    const { code, err } = await rewrite('--layer', '2');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: this is no ONNX model/);
    expect(await readdir(folder)).toEqual(['in.onnx']);
  });

  it('does not overwrite its input', async () => {
    const input = join(folder, 'in.onnx');
    const { code } = await runCli('rewrite', input, '-o', input, '--layer', '2');
    expect(code).toBe(2);
    expect((await readFile(input)).equals(decoder.bytes)).toBe(true);
  });

  it('refuses its own output', async () => {
    await rewrite('--layer', '2');
    const again = await runCli('rewrite', join(folder, 'out.onnx'), '-o', join(folder, 'b.onnx'), '-k', '1');
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/already has an input "image_token_mask"/);
  });
});
