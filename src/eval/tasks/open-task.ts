/** Opens a task: its samples one after the other, from wherever its data are. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastvError } from '../../errors.js';
import { loadAtlas } from '../../scenes/atlas.js';
import { makeItem } from '../../scenes/dataset.js';
import { renderScene } from '../../scenes/render.js';
import { IMAGE_SIZE } from '../../scenes/scene.js';
import { resolveRepository, resolveSplit, type Listed, type ResolveOptions } from '../datasets/hub.js';
import { decode, imageBytes, picture } from '../datasets/picture.js';
import { readRows } from '../datasets/read.js';
import { datasetRevision, type DatasetRevision } from '../datasets/revision.js';
import { field, rowError, textField, type Row } from '../datasets/row.js';
import { TASKS } from './index.js';
import { samplesOf, type ImageById, type Sample, type SampleContext } from './sample.js';
import type { Task } from './task.js';

export interface OpenOptions extends ResolveOptions {
  /** Where paths of images and names of videos begin; by default the dataset's own folder. */
  readonly imageFolder?: string;
  /** Called for a row that cannot be used; if it returns, reading goes on, if it throws, it stops. */
  readonly onBadRow?: (error: FastvError) => void;
}

/** A task whose samples can be read. Close it when no sample's images are needed any more. */
export interface OpenTask {
  readonly task: Task;
  /** What its dataset is found to be; undefined for scenes. @throws FastvError `io` if it is nowhere */
  revision(): Promise<DatasetRevision | undefined>;
  /** @param from so many are passed over: of scenes they are not even drawn */
  samples(from?: number): AsyncGenerator<Sample>;
  close(): Promise<void>;
}

/**
 * Finds a task's data.
 * @throws FastvError `io` if they are nowhere; reading throws `invalid-input` for a bad row unless `onBadRow` takes it
 */
export function openTask(task: Task, options: OpenOptions = {}): OpenTask {
  const cleanups: (() => Promise<void>)[] = [];
  const onBadRow =
    options.onBadRow ??
    ((error: FastvError) => {
      throw error;
    });
  return {
    task,
    async revision() {
      const { data } = task;
      if (data.kind === 'scenes') return undefined;
      const network = data.kind === 'annotations' ? { allowNetwork: false } : {};
      const branch =
        data.kind !== 'annotations' && data.revision !== undefined ? { revision: data.revision } : {};
      return datasetRevision(data.repository, { ...withOthers(options), ...network, ...branch });
    },
    samples: (from = 0) =>
      task.data.kind === 'scenes'
        ? sceneSamples(task, from)
        : rowSamples(task, options, onBadRow, cleanups, from),
    async close() {
      for (const cleanup of cleanups.splice(0)) await cleanup();
    },
  };
}

/** Scenes have no end: an item's index is all that it needs. */
async function* sceneSamples(task: Task, from: number): AsyncGenerator<Sample> {
  if (task.data.kind !== 'scenes') return;
  const { split, family } = task.data;
  const atlas = loadAtlas();
  for (let index = from; ; index++) {
    const item = makeItem(split, family, index, atlas);
    const row: Row = { file: `scenes/${split}/${family}`, index, fields: { ...item } };
    const [sample] = samplesOf(task, row, item.id);
    if (sample === undefined) continue;
    const images = (): Promise<ReturnType<typeof picture>[]> =>
      Promise.resolve(item.scenes.map((scene) => picture(IMAGE_SIZE, IMAGE_SIZE, renderScene(scene, atlas))));
    yield { ...sample, images };
    await Promise.resolve();
  }
}

async function* rowSamples(
  task: Task,
  options: OpenOptions,
  onBadRow: (error: FastvError) => void,
  cleanups: (() => Promise<void>)[],
  from: number,
): AsyncGenerator<Sample> {
  const { imageFolder } = options;
  let left = from;
  // what is wrong before that was said by whoever read it
  const onBad = (error: FastvError): void => {
    if (left === 0) onBadRow(error);
  };
  const context: SampleContext = {
    ...(imageFolder === undefined ? {} : { imageFolder }),
    ...joined(task, options, cleanups),
  };
  for await (const { row, id, folder } of rows(task, options, onBad)) {
    try {
      const place = folder === undefined || imageFolder !== undefined ? {} : { imageFolder: folder };
      for (const sample of samplesOf(task, row, id, { ...context, ...place }))
        if (left > 0) left--;
        else yield sample;
    } catch (error) {
      if (!(error instanceof FastvError)) throw error;
      onBad(error);
    }
  }
}

/** So that no task reads the dataset of another where its own is missing. */
function withOthers(options: OpenOptions): OpenOptions {
  const others = [...TASKS.values()].flatMap(({ data }) => ('repository' in data ? [data.repository] : []));
  return { ...options, others };
}

interface PlacedRow {
  readonly row: Row;
  readonly id: string;
  readonly folder?: string;
}

/** A task's rows with their ids, in the order of its files. */
async function* rows(
  task: Task,
  options: OpenOptions,
  onBadRow: (error: FastvError) => void,
): AsyncGenerator<PlacedRow> {
  const { data } = task;
  if (data.kind === 'annotations') {
    yield* annotated(data, options, onBadRow);
    return;
  }
  if (data.kind === 'scenes') return;
  const branch = data.revision === undefined ? {} : { revision: data.revision };
  if (data.kind === 'files') {
    const files = await resolveRepository(data.repository, { ...withOthers(options), ...branch });
    for (const name of data.files)
      yield* rowsOfFile(withRoot(fileNamed(files, name, data.repository)), onBadRow);
    return;
  }
  const configs = data.config === undefined ? [null] : [data.config].flat();
  for (const config of configs) {
    for (const listed of await resolveSplit(data.repository, config, data.split, {
      ...withOthers(options),
      ...branch,
    })) {
      yield* rowsOfFile('video' in task.images ? withRoot(listed) : listed, onBadRow);
    }
  }
}

async function* rowsOfFile(listed: Listed, onBadRow: (error: FastvError) => void): AsyncGenerator<PlacedRow> {
  try {
    const file = await listed.open();
    for await (const row of readRows(file)) {
      if (row instanceof FastvError) onBadRow(row);
      else
        yield {
          row,
          id: `${listed.path}:${row.index}`,
          ...(listed.folder === undefined ? {} : { folder: listed.folder }),
        };
    }
  } catch (error) {
    // a file that breaks off is one bad row, so to say: with skip, the next file is read
    if (!(error instanceof FastvError) || error.code !== 'invalid-input') throw error;
    onBadRow(error);
  }
}

/** A file beside which nothing lies: names of videos begin at the dataset's own folder. */
function withRoot(listed: Listed): Listed {
  return listed.root === undefined ? listed : { ...listed, folder: listed.root };
}

function fileNamed(files: readonly Listed[], name: string, repository: string): Listed {
  const found = files.find((f) => f.path === name || f.path.endsWith(`/${name}`));
  if (found === undefined) throw new FastvError('io', `no file ${name}`, { where: repository });
  return found;
}

async function* annotated(
  data: Extract<Task['data'], { kind: 'annotations' }>,
  options: OpenOptions,
  onBadRow: (error: FastvError) => void,
): AsyncGenerator<PlacedRow> {
  const files = await annotationFiles(data.repository, options);
  const named = (name: string): Listed => fileNamed(files, name, data.repository);
  const answers = new Map<string, Row>();
  for await (const { row } of rowsOfFile(named(data.answers), onBadRow)) {
    try {
      answers.set(textField(row, data.on), row);
    } catch (error) {
      if (!(error instanceof FastvError)) throw error;
      onBadRow(error);
    }
  }
  for await (const placed of rowsOfFile(named(data.questions), onBadRow)) {
    const { row } = placed;
    const key = field(row, data.on);
    const answer = answers.get(String(key));
    if (answer === undefined) onBadRow(rowError(row, data.on, `no answer in ${data.answers} has this id`));
    else yield { ...placed, row: { ...row, fields: { ...answer.fields, ...row.fields } } };
  }
}

/** Annotations are passed on as archives, which lie on no hub. */
async function annotationFiles(repository: string, options: OpenOptions): Promise<readonly Listed[]> {
  try {
    return await resolveRepository(repository, { ...withOthers(options), allowNetwork: false });
  } catch (error) {
    if (!(error instanceof FastvError) || error.code !== 'io') throw error;
    throw new FastvError('io', 'the dataset is in none of the given folders, and it is not on the hub', {
      where: repository,
      hint: `unpack it, and give the folder that holds ${repository} with --data`,
      cause: error,
    });
  }
}

/** Bytes of images of another subset that the temporary folder may take. */
const MAX_IMAGES = 32 * 2 ** 30;

/** Rows there that may be broken: what has no end has no images either. */
const MOST_BAD_ROWS = 1000;

/** Images of another subset: they are put into a temporary folder when the first one is needed. */
function joined(
  task: Task,
  options: OpenOptions,
  cleanups: (() => Promise<void>)[],
): { imageById?: ImageById } {
  if (task.data.kind !== 'repository' || task.data.imagesFrom === undefined) return {};
  const { repository, imagesFrom } = task.data;
  const nameOf = (id: string): string => createHash('sha256').update(id).digest('hex');
  const fill = async (): Promise<{ folder: string; ids: Set<string> }> => {
    const folder = await mkdtemp(join(tmpdir(), 'fastv-images-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const ids = new Set<string>();
    let size = 0;
    let left = MOST_BAD_ROWS;
    const { config, split } = imagesFrom;
    for (const listed of await resolveSplit(repository, config, split, withOthers(options))) {
      for await (const row of readRows(await listed.open())) {
        if (row instanceof FastvError) {
          if (left-- === 0) throw row;
          continue; // its absence is noticed where it is needed
        }
        const id = textField(row, imagesFrom.id);
        const bytes = await imageBytes(row, imagesFrom.image, field(row, imagesFrom.image));
        size += bytes.length;
        if (size > MAX_IMAGES) {
          throw new FastvError(
            'invalid-input',
            `the images of ${config} have more than ${MAX_IMAGES} bytes`,
            {
              where: repository,
              hint: 'Take a smaller part of the dataset.',
            },
          );
        }
        await writeFile(join(folder, nameOf(id)), bytes);
        ids.add(id);
      }
    }
    return { folder, ids };
  };
  let filled: ReturnType<typeof fill> | undefined;
  return {
    async imageById(row, id) {
      const { folder, ids } = await (filled ??= fill());
      if (!ids.has(id))
        throw rowError(
          row,
          imagesFrom.key,
          `no image in ${imagesFrom.config} has the id ${id.slice(0, 100)}`,
        );
      return decode(row, imagesFrom.image, await readFile(join(folder, nameOf(id))));
    },
  };
}
