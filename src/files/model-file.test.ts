import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  create,
  encodeModel,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../onnx/index.js';
import { quantizeFile } from './quantize-file.js';
import { readModelFile, writeModelFile } from './model-file.js';

const WEIGHTS = Uint8Array.from({ length: 64 }, (_, i) => i);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-model-file-'));
});
afterEach(async () => {
  await chmod(folder, 0o755);
  await rm(folder, { recursive: true });
});

const at = (...parts: string[]): string => join(folder, ...parts);

/** A model of one node whose weight lies in another file. */
async function writeExternal(
  path: string,
  location: string,
  more: Record<string, string> = {},
): Promise<void> {
  const entries = { location, offset: '0', length: '64', ...more };
  const weight = create(TensorProtoSchema, {
    name: 'w',
    dataType: 1,
    dims: [16n],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
  const node = [create(NodeProtoSchema, { opType: 'Identity', input: ['w'], output: ['y'] })];
  const graph = create(GraphProtoSchema, { node, initializer: [weight] });
  await writeFile(path, encodeModel(create(ModelProtoSchema, { irVersion: 10n, graph })));
}

/** The same with its data file beside it. */
async function source(): Promise<Awaited<ReturnType<typeof readModelFile>>> {
  await writeFile(at('in.onnx_data'), WEIGHTS);
  await writeExternal(at('in.onnx'), 'in.onnx_data');
  return readModelFile(at('in.onnx'));
}

const refusal = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ name: 'FastvError', code, message: expect.stringMatching(message) as string });

describe('readModelFile', () => {
  it('lists the data files and does not read them', async () => {
    const { dataFiles, model } = await source();
    expect(dataFiles).toEqual(['in.onnx_data']);
    expect(model.graph.initializer[0]?.rawData).toHaveLength(0);
  });

  it('refuses a file that is absent, a folder, and bytes that are no model', async () => {
    await expect(readModelFile(at('no.onnx'))).rejects.toEqual(refusal('io', /there is no file/));
    await expect(readModelFile(folder)).rejects.toEqual(refusal('io', /is no file/));
    await writeFile(at('bad.onnx'), 'no model');
    await expect(readModelFile(at('bad.onnx'))).rejects.toEqual(refusal('malformed-model', /no ONNX model/));
  });

  it('refuses weights that are absent, too short, or no file', async () => {
    await writeExternal(at('in.onnx'), 'data');
    await expect(readModelFile(at('in.onnx'))).rejects.toEqual(refusal('external-data', /which is absent/));
    await writeFile(at('data'), WEIGHTS.subarray(1));
    await expect(readModelFile(at('in.onnx'))).rejects.toEqual(
      refusal('external-data', /"w" ends at byte 64 of data, which has 63/),
    );
    await rm(at('data'));
    await mkdir(at('data'));
    await expect(readModelFile(at('in.onnx'))).rejects.toEqual(refusal('external-data', /which is no file/));
  });

  it('looks at the graph alone if asked to', async () => {
    await writeExternal(at('in.onnx'), 'data');
    expect((await readModelFile(at('in.onnx'), { checkData: false })).dataFiles).toEqual(['data']);
  });

  it.each(['../data', '/etc/passwd', 'a/../../data', 'C:\\data', 'file://data', 'a\u0000b', ''])(
    'refuses weights in %j',
    async (location) => {
      await writeExternal(at('in.onnx'), location);
      for (const checkData of [true, false]) {
        await expect(readModelFile(at('in.onnx'), { checkData })).rejects.toEqual(
          refusal('external-data', /outside the model's folder/),
        );
      }
    },
  );

  it.each([{ offset: '-1' }, { offset: '1e3' }, { length: '99999999999999999999' }])(
    'refuses %j',
    async (numbers) => {
      await writeExternal(at('in.onnx'), 'data', numbers);
      await expect(readModelFile(at('in.onnx'))).rejects.toEqual(refusal('external-data', /impossible/));
    },
  );

  it('follows symbolic links, as a hub’s cache has them', async () => {
    await mkdir(at('blobs'));
    await mkdir(at('snapshot'));
    await writeFile(at('blobs', 'b'), WEIGHTS);
    await writeExternal(at('blobs', 'a'), 'model.onnx_data');
    await symlink('../blobs/a', at('snapshot', 'model.onnx'));
    await symlink('../blobs/b', at('snapshot', 'model.onnx_data'));
    const hub = await readModelFile(at('snapshot', 'model.onnx'));
    await writeModelFile(hub.model, at('out', 'model.onnx'), hub);
    expect(new Uint8Array(await readFile(at('out', 'model.onnx_data')))).toEqual(WEIGHTS);
  });
});

describe('a model whose weights are links', () => {
  /** As a stranger's archive brings it: weights that are a link to a file of the user's. */
  async function planted(): Promise<string> {
    await mkdir(at('home'));
    await mkdir(at('model', 'onnx'), { recursive: true });
    await writeFile(at('home', 'id_rsa'), 's3cret'.repeat(20));
    await writeExternal(at('model', 'onnx', 'in.onnx'), 'weights.bin');
    await symlink('../../home/id_rsa', at('model', 'onnx', 'weights.bin'));
    return at('model', 'onnx', 'in.onnx');
  }

  it('is refused where they lead out of its folder, and nothing is linked or copied', async () => {
    const path = await planted();
    await expect(readModelFile(path)).rejects.toEqual(refusal('external-data', /a link that leads outside/));
    const from = await readModelFile(path, { checkData: false });
    for (const copyData of [true, false]) {
      await expect(writeModelFile(from.model, at('out', 'o.onnx'), from, { copyData })).rejects.toEqual(
        refusal('external-data', /a link that leads outside/),
      );
    }
    expect(await readdir(folder)).toEqual(['home', 'model']);
  });

  it('is not quantised either', async () => {
    const path = await planted();
    const { model } = await readModelFile(path, { checkData: false });
    const [weight] = model.graph.initializer;
    if (weight === undefined) throw new Error('the model has no weight');
    Object.assign(weight, { dims: [16n, 16n], externalData: weight.externalData.slice(0, 1) });
    model.graph.input = [create(ValueInfoProtoSchema, { name: 'x' })];
    model.graph.node = [create(NodeProtoSchema, { opType: 'MatMul', input: ['x', 'w'], output: ['y'] })];
    await writeFile(path, encodeModel(model));
    await writeFile(at('home', 'id_rsa'), 's3cret'.repeat(200));
    await mkdir(at('q'));
    expect(() => quantizeFile(path, at('q', 'o.onnx'), { type: 'int8' })).toThrow(
      /a link that leads outside/,
    );
    expect(await readdir(at('q'))).toEqual([]);
  });

  it('in a hub’s cache is not written beside, where ONNX Runtime would refuse it', async () => {
    await mkdir(at('blobs'));
    await mkdir(at('snapshot'));
    await writeFile(at('blobs', 'b'), WEIGHTS);
    await writeExternal(at('blobs', 'a'), 'model.onnx_data');
    await symlink('../blobs/a', at('snapshot', 'model.onnx'));
    await symlink('../blobs/b', at('snapshot', 'model.onnx_data'));
    const hub = await readModelFile(at('snapshot', 'model.onnx'));
    await expect(writeModelFile(hub.model, at('snapshot', 'o.onnx'), hub)).rejects.toEqual(
      refusal('external-data', /a link out of .*follows for the original only/),
    );
    expect(await readdir(at('snapshot'))).toEqual(['model.onnx', 'model.onnx_data']);
  });

  it('is written through no linked folder of the output', async () => {
    await mkdir(at('in', 'w'), { recursive: true });
    await mkdir(at('out'));
    await mkdir(at('elsewhere'));
    await writeFile(at('in', 'w', 'data'), WEIGHTS);
    await writeExternal(at('in', 'in.onnx'), 'w/data');
    await symlink('../elsewhere', at('out', 'w'));
    const from = await readModelFile(at('in', 'in.onnx'));
    await expect(writeModelFile(from.model, at('out', 'o.onnx'), from)).rejects.toEqual(
      refusal('io', /a link that leads out of the output's folder/),
    );
    expect(await readdir(at('elsewhere'))).toEqual([]);
  });
});

describe('a pointer of Git LFS', () => {
  const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456789\n';
  const fetched: unknown = expect.objectContaining({ hint: expect.stringMatching(/git lfs pull/) as string });

  it('in the place of the graph or of its weights is told', async () => {
    await writeFile(at('in.onnx'), POINTER);
    await expect(readModelFile(at('in.onnx'))).rejects.toEqual(fetched);
    await writeExternal(at('in.onnx'), 'data', { length: '4096' });
    await writeFile(at('data'), POINTER);
    await expect(readModelFile(at('in.onnx'))).rejects.toEqual(fetched);
  });
});

describe('writeModelFile', () => {
  it('refers to weights in the same folder', async () => {
    const from = await source();
    await writeModelFile(from.model, at('out.onnx'), from);
    expect(await readdir(folder)).toEqual(['in.onnx', 'in.onnx_data', 'out.onnx']);
    expect((await readModelFile(at('out.onnx'))).dataFiles).toEqual(['in.onnx_data']);
  });

  it('links weights into another folder, or copies them', async () => {
    const from = await source();
    await writeModelFile(from.model, at('linked', 'out.onnx'), from);
    await writeModelFile(from.model, at('copied', 'out.onnx'), from, { copyData: true });
    const inode = async (path: string): Promise<number> => (await stat(path)).ino;
    expect(await inode(at('linked', 'in.onnx_data'))).toBe(await inode(at('in.onnx_data')));
    expect(await inode(at('copied', 'in.onnx_data'))).not.toBe(await inode(at('in.onnx_data')));
    expect(new Uint8Array(await readFile(at('copied', 'in.onnx_data')))).toEqual(WEIGHTS);
    // Again, over what is there.
    await writeModelFile(from.model, at('linked', 'out.onnx'), from);
  });

  it('never overwrites its source', async () => {
    const from = await source();
    await symlink('in.onnx', at('same.onnx'));
    for (const path of [
      at('in.onnx'),
      at('in.onnx_data'),
      at('same.onnx'),
      at('new', '..', 'in.onnx'),
      at('new', 'in.onnx_data'),
    ]) {
      await expect(writeModelFile(from.model, path, from), path).rejects.toEqual(
        refusal('invalid-option', /the output is the input/),
      );
    }
    expect(await readdir(folder)).toEqual(['in.onnx', 'in.onnx_data', 'same.onnx']);
  });

  it('leaves another file of the weights’ name alone', async () => {
    const from = await source();
    await mkdir(at('out'));
    await writeFile(at('out', 'in.onnx_data'), 'mine');
    await expect(writeModelFile(from.model, at('out', 'out.onnx'), from)).rejects.toEqual(
      refusal('io', /exists and is another file/),
    );
    expect(await readdir(at('out'))).toEqual(['in.onnx_data']);
    expect(await readFile(at('out', 'in.onnx_data'), 'utf8')).toBe('mine');
  });

  it('leaves nothing behind where a folder has the output’s name', async () => {
    const from = await source();
    await mkdir(at('out', 'out.onnx'), { recursive: true });
    await expect(writeModelFile(from.model, at('out', 'out.onnx'), from)).rejects.toEqual(
      refusal('io', /cannot be written/),
    );
    expect(await readdir(at('out'))).toEqual(['out.onnx']);
  });

  it('leaves nothing behind where the weights are gone by then', async () => {
    const from = await source();
    await rm(at('in.onnx_data'));
    await expect(writeModelFile(from.model, at('new', 'folder', 'out.onnx'), from)).rejects.toEqual(
      refusal('io', /cannot be linked/),
    );
    expect(await readdir(folder)).toEqual(['in.onnx']);
  });

  // A superuser may write anywhere.
  it.skipIf(process.getuid?.() === 0)('leaves nothing behind where it may not write', async () => {
    const from = await source();
    await chmod(folder, 0o555);
    await expect(writeModelFile(from.model, at('out.onnx'), from)).rejects.toEqual(refusal('io', /EACCES/));
    expect(await readdir(folder)).toEqual(['in.onnx', 'in.onnx_data']);
  });
});
