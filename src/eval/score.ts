/** Scoring replies: each one as it comes, and a task's results together. */
import { bleu } from './metrics/bleu.js';
import { bootstrapInterval } from './metrics/bootstrap.js';
import { captionSample, mean } from './metrics/caption.js';
import { cider } from './metrics/cider.js';
import { anls } from './metrics/anls.js';
import { exactMatch } from './metrics/exact-match.js';
import { mme, mmeAnswer } from './metrics/mme.js';
import { bestChoice, parseChoice } from './metrics/multiple-choice.js';
import { pope, popeAnswer } from './metrics/pope.js';
import { rougeL } from './metrics/rouge-l.js';
import { vqaAccuracy } from './metrics/vqa.js';
import { parseYesNo } from './metrics/yes-no.js';
import type { MetricName } from './tasks/task.js';

/** What a sample is scored against. */
export interface Target {
  readonly choices: readonly string[] | null;
  readonly answers: readonly string[];
  readonly answerIndex: number | null;
}

/** A reply: text, or the log-likelihood of each choice. */
export interface Reply {
  readonly text: string;
  readonly logLikelihoods?: readonly number[];
}

/** A reply's score in [0, 1]; null where only a whole corpus can be scored (captions). */
export interface Scored {
  readonly score: number | null;
  /** The choice that was taken, if there were choices. */
  readonly choice: number | null;
}

/** Scores one reply. */
export function scoreReply(metric: MetricName, target: Target, reply: Reply): Scored {
  const { text } = reply;
  switch (metric) {
    case 'caption':
      return { score: null, choice: null };
    case 'exact-match':
      return { score: exactMatch(text, target.answers), choice: null };
    case 'anls':
      return { score: anls(text, target.answers), choice: null };
    case 'vqa':
      return { score: vqaAccuracy(text, target.answers, 'disagreement'), choice: null };
    case 'vqa-always':
      return { score: vqaAccuracy(text, target.answers, 'always'), choice: null };
    case 'pope':
      return { score: popeAnswer(text) === parseYesNo(target.answers[0] ?? '') ? 1 : 0, choice: null };
    case 'mme': {
      const said = mmeAnswer(text);
      return { score: said !== null && said === parseYesNo(target.answers[0] ?? '') ? 1 : 0, choice: null };
    }
    case 'multiple-choice': {
      if (target.choices === null) return { score: exactMatch(text, target.answers), choice: null };
      const { logLikelihoods } = reply;
      const choice =
        logLikelihoods === undefined ? parseChoice(text, target.choices) : bestChoice(logLikelihoods);
      return { score: choice !== null && choice === target.answerIndex ? 1 : 0, choice };
    }
  }
}

/** A scored sample, as results keep it. */
export interface ScoredSample {
  readonly prediction: string;
  readonly score: number | null;
  readonly answers: readonly string[];
  readonly category: string | null;
  readonly group: string | null;
}

/** A task's score. */
export interface TaskScore {
  /** The number that the task is known by, and its name: accuracy, CIDEr, F1, … */
  readonly metric: string;
  readonly score: number;
  /** 95% bootstrap interval over samples; null where the score has no such thing (MME's pairs). */
  readonly interval: { readonly low: number; readonly high: number } | null;
  readonly samples: number;
  /** Further numbers, by name. */
  readonly details: Readonly<Record<string, number>>;
  /** The mean score of each category, where the task has categories. */
  readonly categories: Readonly<Record<string, { readonly score: number; readonly samples: number }>>;
}

/**
 * A task's score over its samples.
 * @param seed of the bootstrap
 * @throws FastvError `invalid-input` if MME's pairs are incomplete
 */
export function scoreTask(metric: MetricName, samples: readonly ScoredSample[], seed = 0): TaskScore {
  const empty = { samples: samples.length, details: {}, categories: {} };
  if (samples.length === 0) return { metric: nameOf(metric), score: NaN, interval: null, ...empty };
  switch (metric) {
    case 'caption': {
      const captions = samples.map((s) => captionSample(s.prediction, s.answers));
      const { score, each } = cider(captions);
      const [b1 = 0, b2 = 0, b3 = 0, b4 = 0] = bleu(captions).score;
      return {
        ...empty,
        metric: 'CIDEr',
        score,
        // document frequencies are kept as they are: only the samples are redrawn
        interval: bounds(bootstrapInterval(each, { seed })),
        details: {
          'BLEU-1': b1,
          'BLEU-2': b2,
          'BLEU-3': b3,
          'BLEU-4': b4,
          'ROUGE-L': rougeL(captions).score,
        },
        categories: byCategory(samples, each),
      };
    }
    case 'pope': {
      const pairs = samples.map((s) => ({
        predicted: popeAnswer(s.prediction),
        label: parseYesNo(s.answers[0] ?? '') ?? ('no' as const),
      }));
      const { f1, ...others } = pope(pairs);
      const interval = bounds(bootstrapInterval(pairs, { seed, resamples: 500 }, (drawn) => pope(drawn).f1));
      return {
        ...empty,
        metric: 'F1',
        score: f1,
        interval,
        details: { ...others, unclear: samples.filter((s) => parseYesNo(s.prediction) === null).length },
        categories: byCategory(samples),
      };
    }
    case 'mme': {
      const { perception, cognition, categories } = mme(
        samples.map((s) => ({ category: s.category ?? '', image: s.group ?? '', right: s.score === 1 })),
      );
      const details = Object.fromEntries(
        Object.entries(categories).flatMap(([name, c]) => [
          [`${name} accuracy`, c.accuracy],
          [`${name} accuracy+`, c.accuracyPlus],
        ]),
      );
      return {
        ...empty,
        metric: 'perception + cognition',
        score: perception + cognition,
        interval: null,
        details: { perception, cognition, ...details },
        categories: byCategory(samples),
      };
    }
    case 'exact-match':
    case 'anls':
    case 'vqa':
    case 'vqa-always':
    case 'multiple-choice': {
      const each = samples.map((s) => s.score ?? 0);
      const interval = bounds(bootstrapInterval(each, { seed }));
      return {
        ...empty,
        metric: nameOf(metric),
        score: mean(each),
        interval,
        categories: byCategory(samples),
      };
    }
  }
}

function nameOf(metric: MetricName): string {
  return metric === 'anls' ? 'ANLS' : metric.startsWith('vqa') ? 'VQA accuracy' : 'accuracy';
}

function bounds({ low, high }: { readonly low: number; readonly high: number }): {
  low: number;
  high: number;
} {
  return { low, high };
}

function byCategory(
  samples: readonly ScoredSample[],
  scores: readonly number[] = samples.map((s) => s.score ?? 0),
): Record<string, { score: number; samples: number }> {
  const groups = new Map<string, number[]>();
  samples.forEach(({ category }, i) => {
    if (category === null) return;
    const group = groups.get(category);
    if (group === undefined) groups.set(category, [scores[i] ?? 0]);
    else group.push(scores[i] ?? 0);
  });
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([name, values]) => [name, { score: mean(values), samples: values.length }]),
  );
}
