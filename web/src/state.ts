// What the page shows, and what changes it. Components read signals; everything that takes time is here.
import { batch, computed, effect, signal, type Signal } from '@preact/signals';
import { EngineClient } from './engine/client.js';
import { dtypeFor, withoutWebGpu } from './engine/device.js';
import {
  BUNDLED,
  type Answered,
  type AttentionMaps,
  type Device,
  type Dtype,
  type LoadedModel,
  type LoadProgress,
  type LoadRequest,
  type Question,
} from './engine/types.js';
import type { Cached } from '../../src/runtime/cached-model.js';
import { median } from '../../src/statistics.js';
import { bundledPictures, openBundled, PictureError, type BundledPicture, type Picture } from './pictures.js';
import { hashOf, settingsOf, stagesOf, type Settings } from './settings.js';

/** One of the two answers. */
export interface Side {
  readonly state: 'empty' | 'waiting' | 'running' | 'done';
  readonly text: string;
  readonly answered: Answered | undefined;
}

const EMPTY: Side = { state: 'empty', text: '', answered: undefined };
/** Answers are cut here; the bundled model's are a few words. */
const LONGEST_ANSWER = 128;
/** A slider that moves asks when it has rested for so long, in milliseconds. */
const REST = 120;

export const settings = signal<Settings>(settingsOf(location.hash));
export const pictures = signal<readonly BundledPicture[]>([]);
export const picture = signal<Picture | undefined>(undefined);
export const original = signal<Side>(EMPTY);
export const pruned = signal<Side>(EMPTY);
export const model = signal<LoadedModel | undefined>(undefined);
export const progress = signal<LoadProgress | undefined>(undefined);
/** What went wrong, in words for whoever reads the page. */
export const problem = signal('');
export const busy = signal(false);
export const maps = signal<AttentionMaps | undefined>(undefined);
/** The layer whose patches are drawn; undefined: what is left at the end. */
export const shownLayer = signal<number | undefined>(undefined);
/** Models of the hub that this browser keeps. */
export const kept = signal<readonly Cached[]>([]);
/** Why there is no WebGPU; undefined where there is, or as long as it is not known. */
export const noWebGpu = signal<string | undefined>('not asked yet');

/** Where models run now. */
export const device = computed<Device>(() =>
  settings.value.device === 'auto'
    ? noWebGpu.value === undefined
      ? 'webgpu'
      : 'wasm'
    : settings.value.device,
);

/** The questions of the chosen picture. */
export const bundledPicture = computed(() =>
  pictures.value.find(({ name }) => name === settings.value.picture && name === picture.value?.name),
);

const engine = new EngineClient();
/** Models that may be fetched: a link alone fetches none. */
const wanted = new Set([BUNDLED]);
let round = 0;
let resting: ReturnType<typeof setTimeout> | undefined;

/** Changes settings; what depends on them is asked again. */
export function change(part: Partial<Settings>, soon = false): void {
  settings.value = { ...settings.value, ...part };
  clearTimeout(resting);
  if (soon) resting = setTimeout(() => void compare(), REST);
}

/** Takes a model of the hub, which is fetched now. */
export async function use(name: string, dtype: Dtype): Promise<void> {
  wanted.add(name);
  change({ model: name, dtype });
  await compare();
  kept.value = await engine.kept();
}

/** Starts the page: pictures, the device, and what a link asks for. */
export async function start(): Promise<void> {
  effect(() => {
    history.replaceState(null, '', `${location.pathname}${location.search}${hashOf(settings.value)}`);
  });
  noWebGpu.value = await withoutWebGpu();
  pictures.value = await bundledPictures();
  const first = pictures.value.find(({ name }) => name === settings.value.picture) ?? pictures.value[0];
  if (first !== undefined) await choose(first, settings.value.question);
  await compare();
  kept.value = await engine.kept();
}

/** Removes a model that is kept. One that is loaded goes on. */
export async function forget(name: string): Promise<void> {
  kept.value = await engine.forget(name);
}

/** Takes a bundled picture. */
export async function choose(bundled: BundledPicture, question = ''): Promise<void> {
  const opened = await openBundled(bundled);
  batch(() => {
    take(opened);
    change({
      picture: bundled.name,
      question: question === '' ? (bundled.questions[0]?.text ?? '') : question,
    });
  });
}

/** Takes a picture of the visitor's own, and asks about it. */
export async function bring(from: () => Picture | Promise<Picture>): Promise<void> {
  try {
    const opened = await from();
    batch(() => {
      take(opened);
      change({ picture: '' });
    });
    await compare();
  } catch (error) {
    if (!(error instanceof PictureError)) throw error;
    problem.value = error.message;
  }
}

function take(opened: Picture): void {
  picture.value = opened;
  original.value = EMPTY;
  pruned.value = EMPTY;
  maps.value = undefined;
  shownLayer.value = undefined;
}

/** What the original was asked last; it is asked again only when that changes. */
let askedOriginal = '';

/** Asks the original, where it has not answered this yet, and FastV. */
export async function compare(): Promise<void> {
  const mine = ++round;
  const current = (): boolean => mine === round;
  const shown = picture.value;
  const { question: text } = settings.value;
  if (shown === undefined || text.trim() === '') return;
  const { model: name } = settings.value;
  if (!wanted.has(name)) {
    problem.value = `${name} is a model of the Hugging Face hub. Look up its size below, and load it from there.`;
    return;
  }
  engine.abort();
  busy.value = true;
  problem.value = '';
  try {
    const request = requestOf(settings.value);
    const { ratios } = stagesOf(settings.value);
    const loaded = await load(request);
    if (!current()) return;
    const { pixels } = shown;
    const ask = async (side: Signal<Side>, given: readonly number[]): Promise<void> => {
      const stages = loaded.layers.map((_, stage) => given[stage] ?? 0);
      const question: Question = { pixels, text, ratios: stages, seed: 0, maxNewTokens: LONGEST_ANSWER };
      side.value = { ...side.value, state: 'running', text: '' };
      const answered = await engine.ask(question, (so_far) => {
        if (current()) side.value = { ...side.value, text: so_far };
      });
      if (current()) side.value = { state: 'done', text: answered.text, answered };
    };
    const key = JSON.stringify([request.model, request.device, request.dtype, shown.name, text]);
    pruned.value = { ...pruned.value, state: 'waiting', text: '' };
    if (key !== askedOriginal || original.value.state !== 'done') {
      await ask(original, []);
      if (!current()) return;
      askedOriginal = key;
    }
    await ask(pruned, ratios);
  } catch (error) {
    if (current() && !isAbort(error)) problem.value = reasonOf(error);
  } finally {
    if (current()) busy.value = false;
  }
}

/** Draws where the last token looks, layer by layer. */
export async function look(): Promise<void> {
  const shown = picture.value;
  if (shown === undefined) return;
  busy.value = true;
  problem.value = '';
  try {
    await load(requestOf(settings.value));
    const { question: text } = settings.value;
    maps.value = await engine.attention({ pixels: shown.pixels, text, ratios: [], seed: 0, maxNewTokens: 1 });
  } catch (error) {
    problem.value = reasonOf(error);
  } finally {
    busy.value = false;
  }
}

/** One line of the benchmark. */
export interface Timing {
  readonly ratio: number;
  readonly ttft: number;
  readonly prefill: number;
  readonly kept: number;
  readonly imageTokens: number;
  readonly flopsRatio: number | null;
}

/** Runs of each R in the benchmark, after one that does not count. */
export const REPEATS = 5;

/** Times R = 0, 50 and 75 % in turns, and gives medians. @param onRun called after each run with how many are done */
export async function benchmark(onRun: (done: number, of: number) => void): Promise<readonly Timing[]> {
  const shown = picture.value;
  if (shown === undefined) return [];
  const { layer, question: text } = settings.value;
  const request = requestOf({ ...settings.value, cut: 'fastv', layer });
  engine.abort();
  busy.value = true;
  try {
    await load(request);
    const ratios = [0, 0.5, 0.75];
    const runs = ratios.map((): Answered[] => []);
    let done = 0;
    for (let turn = 0; turn <= REPEATS; turn++) {
      for (const [i, ratio] of ratios.entries()) {
        const question = { pixels: shown.pixels, text, ratios: [ratio], seed: 0, maxNewTokens: 1 };
        const answered = await engine.ask(question, () => undefined);
        if (turn > 0) runs[i]?.push(answered);
        onRun(++done, ratios.length * (REPEATS + 1));
      }
    }
    return ratios.map((ratio, i) => {
      const of = runs[i] ?? [];
      const [first] = of;
      return {
        ratio,
        ttft: median(of.map(({ ttft }) => ttft)),
        prefill: median(of.map(({ prefill }) => prefill)),
        kept: first?.keptImageTokens ?? 0,
        imageTokens: first?.imageTokens ?? 0,
        flopsRatio: first?.flopsRatio ?? null,
      };
    });
  } finally {
    busy.value = false;
  }
}

async function load(request: LoadRequest): Promise<LoadedModel> {
  try {
    const loaded = await engine.load(request, (so_far) => (progress.value = so_far));
    model.value = loaded;
    return loaded;
  } finally {
    progress.value = undefined;
  }
}

function requestOf(chosen: Settings): LoadRequest {
  const { model: name, dtype, strategy } = chosen;
  const { layers } = stagesOf(chosen);
  const on = device.value;
  return { model: name, device: on, dtype: dtype === 'auto' ? dtypeFor(name, on) : dtype, layers, strategy };
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
