/** What `fastv demo` does. */
import { arch, availableParallelism, cpus, platform } from 'node:os';
import { basename, resolve } from 'node:path';
import type { Picture } from '../../media/index.js';
import { measure } from '../../bench/in-turns.js';
import { median } from '../../statistics.js';
import { Conversation } from '../../runtime/conversation.js';
import { embeddedModel } from '../../runtime/embedded.js';
import { ask } from '../../scenes/ask.js';
import { loadAtlas } from '../../scenes/atlas.js';
import { makeItem } from '../../scenes/dataset.js';
import type { Family } from '../../scenes/question.js';
import { Random } from '../../scenes/random.js';
import { renderScene } from '../../scenes/render.js';
import { IMAGE_SIZE } from '../../scenes/scene.js';
import { writeAtomically } from '../../files/atomic.js';
import { demoReport } from '../demo-report.js';
import { answersTable, isRight, type DemoResult, type DemoSummary } from '../demo-results.js';
import { ms, percent, times } from '../format.js';
import { openOriginal, openPruned } from '../model.js';
import type { ModelFlags } from '../options/model.js';
import { checkOutputFile } from '../output-path.js';
import { overlaysOf } from '../overlay.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';
import { prepareTransformers } from '../transformers-env.js';

/** The flags of `fastv demo`. */
export interface DemoFlags {
  readonly output: string;
  readonly ratios: readonly number[];
  readonly repeat: number;
  readonly dtype?: string;
}

/** The questions: the first ones of the test split in each family, so none is chosen for its answer. */
const QUESTIONS: readonly { readonly title: string; readonly family: Family; readonly index: number }[] = [
  { title: 'A scene', family: 'existence', index: 0 },
  { title: 'Where', family: 'position', index: 0 },
  { title: 'Colour', family: 'color', index: 0 },
  { title: 'Counting', family: 'count-class', index: 0 },
  { title: 'Text', family: 'text', index: 0 },
  { title: 'Several pictures', family: 'multi-image', index: 0 },
  { title: 'A short video', family: 'video-direction', index: 0 },
];

const LAYER = 2;
const MAX_NEW_TOKENS = 16;
/** From here on every question is timed once only. */
const ENOUGH_MS = 20_000;

/** Runs the demo and writes its report. */
export async function demo(flags: DemoFlags, terminal: Terminal): Promise<void> {
  const started = performance.now();
  const say = (text: string): void => {
    terminal.progress.write(text);
  };
  const name = embeddedModel();
  const out = resolve(flags.output);
  // before the minute, not after it
  await checkOutputFile(out, { option: '--output' });
  const modelFlags: ModelFlags = {
    layer: LAYER,
    strategy: 'attention',
    maxNewTokens: MAX_NEW_TOKENS,
    frames: 8,
    ...(flags.dtype === undefined ? {} : { dtype: flags.dtype }),
  };
  prepareTransformers({});
  const conversation = await Conversation.load(name);
  const items = questions();

  const original = await openOriginal(name, modelFlags, conversation);
  const pruned = await openPruned(name, modelFlags, conversation);
  const contenders = [{ model: original }, ...flags.ratios.map((ratio) => ({ model: pruned, ratio }))];
  say(`${items.length} questions: the original, and FastV with K=${LAYER}, R=${flags.ratios.join(', ')} `);
  const results: DemoResult[] = [];
  for (const item of items) {
    const { question, pictures } = item;
    const inputs = await conversation.inputs([{ role: 'user', text: question, images: pictures }]);
    // on a busy or slow machine the minute goes before the medians
    const late = performance.now() - started > ENOUGH_MS;
    const options = { maxNewTokens: MAX_NEW_TOKENS, repeat: late ? 1 : flags.repeat };
    const [first, ...others] = await measure(contenders, inputs, options);
    const runs: DemoResult['runs'][number][] = [];
    for (const [i, measured] of others.entries()) {
      const { report } = measured;
      if (report === undefined) continue;
      const overlays = await overlaysOf(conversation, pictures, report, 192);
      runs.push({ ratio: flags.ratios[i] ?? 0, measured, report, overlays });
    }
    if (first !== undefined) results.push({ ...item, original: first, runs });
    say('.');
  }
  await original.close();
  await pruned.close();

  const summary = summarise(results, flags.ratios);
  const seconds = (performance.now() - started) / 1000;
  await writeAtomically(
    out,
    await demoReport(results, summary, {
      layer: LAYER,
      repeat: flags.repeat,
      seconds,
      model: basename(name),
      dtype: flags.dtype ?? 'fp32',
      machine: machine(),
      date: new Date(),
    }),
  );
  say(`\n`);
  const answers = results.map(({ title, question, answer, original: { text }, runs }) => ({
    title,
    question,
    expected: answer,
    original: text,
    pruned: runs.map(({ ratio, measured }) => ({ ratio, answer: measured.text })),
  }));
  terminal.result(
    { report: out, seconds, summary, answers },
    () =>
      `${summaryTable(results, summary)}\n\n${seconds.toFixed(0)} s; report with the kept patches: ${out}`,
  );
}

/** The demo's questions with their pictures. */
export function questions(): Omit<DemoResult, 'original' | 'runs'>[] {
  const atlas = loadAtlas();
  return QUESTIONS.map(({ title, family, index }) => {
    const { question, answer, scenes } = makeItem('test', family, index, atlas);
    const pictures = scenes.map((scene): Picture => ({
      data: new Uint8ClampedArray(renderScene(scene, atlas)),
      width: IMAGE_SIZE,
      height: IMAGE_SIZE,
    }));
    const descriptions = scenes.map(
      (scene) => ask('caption', scene, atlas.classes, new Random(0))?.answer ?? 'A scene.',
    );
    return { title, question, answer, pictures, descriptions };
  });
}

/** Processor, cores and system, as reports name them. */
function machine(): string {
  const cpu = cpus()[0]?.model.trim() ?? '';
  return `${cpu === '' ? 'unknown processor' : cpu}, ${availableParallelism()} cores, ${platform()} ${arch()}, Node ${process.version}`;
}

function summarise(results: readonly DemoResult[], ratios: readonly number[]): DemoSummary[] {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const mean = (values: readonly number[]): number => sum(values) / Math.max(1, values.length);
  const questions = results.length;
  const before: DemoSummary = {
    ratio: null,
    right: results.filter(({ original, answer }) => isRight(original.text, answer)).length,
    sameAsOriginal: questions,
    questions,
    ttftMs: sum(results.map(({ original }) => original.ttftMs)),
    prefillMs: sum(results.map(({ original }) => original.prefillMs)),
    prefillSpeedup: 1,
    flopsRatio: 1,
    kvRatio: 1,
  };
  return [
    before,
    ...ratios.map((ratio): DemoSummary => {
      const runs = results.flatMap(({ answer, original, runs: all }) =>
        all.filter((run) => run.ratio === ratio).map((run) => ({ ...run, answer, original })),
      );
      return {
        ratio,
        right: runs.filter(({ measured, answer }) => isRight(measured.text, answer)).length,
        sameAsOriginal: runs.filter(({ measured, original }) => measured.text === original.text).length,
        questions,
        ttftMs: sum(runs.map(({ measured }) => measured.ttftMs)),
        prefillMs: sum(runs.map(({ measured }) => measured.prefillMs)),
        prefillSpeedup: median(runs.map(({ measured, original }) => original.prefillMs / measured.prefillMs)),
        flopsRatio: mean(runs.map(({ report }) => report.flopsRatio ?? 1)),
        kvRatio: mean(runs.map(({ report }) => report.kvBytes.pruned / report.kvBytes.full)),
      };
    }),
  ];
}

function summaryTable(results: readonly DemoResult[], summary: readonly DemoSummary[]): string {
  const head = ['', 'right', 'as original', 'first tokens', 'prefill', 'speed-up', 'FLOPs', 'KV'];
  const rows = summary.map((s) => [
    s.ratio === null ? 'original' : `R=${percent(s.ratio)}`,
    `${s.right}/${s.questions}`,
    `${s.sameAsOriginal}/${s.questions}`,
    ms(s.ttftMs),
    ms(s.prefillMs),
    times(s.prefillSpeedup),
    percent(s.flopsRatio),
    percent(s.kvRatio),
  ]);
  const sums = `Times are sums over the ${results.length} questions.`;
  return [...answersTable(results), '', ...table([head, ...rows]), sums].join('\n');
}
