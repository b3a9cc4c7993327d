/**
 * What a task is: a small declarative record that says where its questions are, how they are asked and
 * how answers are scored. Built-in tasks are one file each beside this one; `parse-task.ts` reads a
 * user's own from JSON, in the same form.
 */
import type { MetricName } from '../metrics/index.js';
import type { Metric } from '../metrics/metric.js';
import type { Split } from '../../scenes/dataset.js';
import type { Family } from '../../scenes/question.js';

/** Where a task's rows come from. */
export type DataSource =
  /** Our scenes, drawn when they are asked for. */
  | { readonly kind: 'scenes'; readonly split: Split; readonly family: Family }
  /** A dataset as published on the hub: files named `<config>/<split>-*.parquet` (or Arrow, JSON Lines, JSON). */
  | {
      readonly kind: 'repository';
      readonly repository: string;
      /** The subset; several are read one after the other. */
      readonly config?: string | readonly string[];
      readonly split: string;
      /** The branch that the files are on, where it is not the main one: what the hub converts, say. */
      readonly revision?: string;
      /** Images that lie in another subset, found by an id. */
      readonly imagesFrom?: {
        readonly config: string;
        readonly split: string;
        /** The id in a question's row, and in an image's row. */
        readonly key: string;
        readonly id: string;
        readonly image: string;
      };
    }
  /** Files of a repository by their paths, where they are named after no split. */
  | {
      readonly kind: 'files';
      readonly repository: string;
      readonly files: readonly string[];
      /** The branch, where it is not the main one. */
      readonly revision?: string;
    }
  /** Questions and answers in two JSON files, joined by an id: how the video benchmarks come. */
  | {
      readonly kind: 'annotations';
      readonly repository: string;
      readonly questions: string;
      readonly answers: string;
      readonly on: string;
    };

/** Where a row's images are. Fields that are empty are passed over; fields may hold lists of images. */
export type ImageSource =
  | { readonly fields: readonly string[] }
  /** The name of a video, of which so many frames are shown; `folders` are those that the dataset keeps videos in. */
  | { readonly video: string; readonly frames: number; readonly folders?: readonly string[] };

/** A row's choices, where it has any. */
export type ChoiceSource =
  /** A field that is a list; `lettered` where each already begins with its letter ("A. a cat"). */
  | { readonly list: string; readonly lettered?: boolean }
  /** A field whose text lists them, each after its letter ("A: a cat, B: a dog"); a row without is an open question. */
  | { readonly within: string }
  /** Fields that each hold a choice; empty ones at the end do not count. */
  | { readonly fields: readonly string[] };

/** A row's right answers. */
export type AnswerSource =
  /** A text, or with `all` a list of texts; `item` picks a field of each where they are records. */
  | { readonly field: string; readonly all?: boolean; readonly item?: string }
  /** A box in pixels, `[left, top, width, height]`; as an answer it is `[x1, y1, x2, y2]` in shares of the image. */
  | { readonly box: string }
  /** The right choice, by its position from 0, its letter or its text. */
  | { readonly choice: string; readonly as: 'index' | 'letter' | 'text' };

/** A task. */
export interface Task {
  readonly name: string;
  /** One line: what it asks. */
  readonly about: string;
  /** The paper it is from. */
  readonly source: string;
  readonly data: DataSource;
  /** Only rows whose fields have these values, or numbers below these. */
  readonly where?: Readonly<Record<string, string | { readonly below: number }>>;
  /** List fields of equal length: a row is one sample an item. */
  readonly explode?: readonly string[];
  readonly images: ImageSource;
  /**
   * The prompt's lines. `{field}` stands for a field (a list with commas between), `{choices}` for the lettered choices, one a line,
   * `{inline-choices}` for `(A) a cat (B) a dog`, `{bracket-choices}` for the same one a line. A row without a field that a line names is refused; `{?x}` or `{!x}` at
   * its start keeps a line only if x is there, or is not.
   */
  readonly prompt: readonly string[];
  /** Pieces that are taken out of what fields bring into the prompt. */
  readonly remove?: readonly string[];
  readonly choices?: ChoiceSource;
  readonly answer: AnswerSource;
  /** How answers are scored: by the name of a metric (`src/eval/metrics/index.ts`), or one of your own. */
  readonly metric: MetricName | Metric;
  /** A field by which scores are also given separately, or a part of one: what lies between its first and last mark. */
  readonly category?: string | { readonly field: string; readonly within: string };
  /**
   * A field that rows of one unit share (MME's pairs), or whose remainder they do (MMBench's circular copies); several
   * fields are joined by slashes (HallusionBench's figures and questions).
   */
  readonly group?: string | readonly string[] | { readonly field: string; readonly modulo: number };
  /** The prompt says where each image goes: `<image 1>`, … Images that it does not name are not shown. */
  readonly interleaved?: boolean;
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
}

/** Lines that the published evaluations of LLaVA end their prompts with. */
export const SHORT_ANSWER = 'Answer the question using a single word or phrase.';
export const LETTER_ANSWER = "Answer with the option's letter from the given choices directly.";
/** What VLMEvalKit adds to the questions of HallusionBench and AMBER. */
export const YES_OR_NO = `Please answer yes or no. ${SHORT_ANSWER}`;
export const CAPTION = 'Provide a one-sentence caption for the provided image.';
