import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, type CliResult } from '../../../test/cli.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-inspect-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function inspect(family: string, ...flags: string[]): Promise<CliResult> {
  const file = join(folder, 'model.onnx');
  await writeFile(file, toyDecoder(toyFamily(family).config).bytes);
  return runCli('inspect', file, ...flags);
}

describe('fastv inspect', () => {
  it('describes layers that are alike once', async () => {
    const { code, out } = await inspect('gqa');
    expect(code).toBe(0);
    expect(out).toContain(
      'layer 0–3: GroupQueryAttention, 4 heads, 2 KV heads, head size 16, rotation inside',
    );
    expect(out).toContain('K can be 1, 2, 3');
    expect(out).toContain('K = 2 cuts after ');
  });

  it('tells layers apart, and says which K cannot cut and why', async () => {
    const { out } = await inspect('hybrid conv');
    expect(out).toContain('layer 0: no attention');
    expect(out).toContain('layer 3–4: GroupQueryAttention');
    expect(out).toContain('K = 1 cannot cut: layer 0 has no attention');
    expect(out).toContain('K can be 2, 4');
  });

  it('tells windows, softcaps and quantised weights', async () => {
    expect((await inspect('gqa window')).out).toContain('local window 6');
    expect((await inspect('gqa softcap')).out).toContain('softcap 3');
    expect((await inspect('gqa int4')).out).toMatch(/weights {2}int4 \(MatMulNBits\) × \d+/);
  });

  it('prints one JSON document', async () => {
    const { code, out, err } = await inspect('mha', '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const inspection = JSON.parse(out) as { layers: unknown[]; cuts: unknown[] };
    expect(inspection.layers).toHaveLength(4);
    expect(inspection.cuts).toHaveLength(3);
  });
});
