/**
 * Results as columns: what scores, intervals, costs and reports are made from. A row takes about sixty bytes; what samples have in
 * common, replies that many gave, and costs that many had are held once. What only a reader of single answers wants (the prompt) is
 * not held: it is read back from the file.
 *
 * The order of rows decides nothing: a task's results under a condition come by the names of their samples, and of two results
 * of a sample the later counts.
 */
import { closeSync } from 'node:fs';
import { FastvError } from '../../errors.js';
import { openRegular } from '../../files/read.js';
import { lineAt } from '../files.js';
import type { Samples, ScoredSample } from '../metrics/metric.js';
import type { Result } from '../result.js';
import { Column, TextTable, TupleTable } from './columns.js';

/** Where a result lies: the place of its file among the table's, and the byte at which its line begins. */
export interface Origin {
  readonly file: number;
  readonly from: number;
}

/** Fields of a sample's tuple. Texts that may be absent are their number and one, so that 0 is null. */
const FIELD = {
  task: 0,
  name: 1,
  answers: 2,
  category: 3,
  group: 4,
  image: 5,
  options: 6,
  place: 7,
} as const;

/** What is counted and the same for many results, in the order of their tuples. */
const COUNTS = [
  ...(['tokens', 'imageTokens', 'keptImageTokens', 'generatedTokens'] as const),
  ...(['flops', 'flopsUnpruned', 'kvBytes', 'kvBytesUnpruned'] as const),
] as const;
const TIMES = ['visionMs', 'prefillMs', 'decodeMs'] as const;

/** A number of a result's cost. */
export type CostField = (typeof COUNTS)[number] | (typeof TIMES)[number];

/** Results of one task under one condition: a row for each sample that has one, by the samples' names. */
export interface TaskResults {
  readonly table: ResultTable;
  readonly task: string;
  readonly rows: Uint32Array;
  /** The number of each row's sample in its task, rising; the same under every condition. */
  readonly names: Uint32Array;
  /** As metrics take them; each field is read when it is asked for. */
  samples(): Samples;
}

/** Results. */
export class ResultTable {
  readonly #files: readonly string[];
  readonly #tasks = new Map<string, number>();
  readonly #conditions = new Map<string, number>();
  readonly #texts = new TextTable();
  readonly #samples = new TupleTable(8);
  readonly #counts = new TupleTable(COUNTS.length);
  readonly #sample = new Column(Uint32Array);
  readonly #condition = new Column(Uint16Array);
  readonly #prediction = new Column(Uint32Array);
  readonly #choice = new Column(Int32Array);
  readonly #score = new Column(Float64Array);
  readonly #count = new Column(Uint32Array);
  /** Milliseconds; seven digits of them. */
  readonly #times = TIMES.map(() => new Column(Float32Array));
  readonly #file = new Column(Uint16Array);
  readonly #from = new Column(Float64Array);
  /** Rows by task and condition, and numbers of names; both made when they are first asked for. */
  #groups: Map<string, TaskResults> | undefined;

  /** @param files that results lie in, see {@link Origin} */
  constructor(files: readonly string[] = []) {
    this.#files = files;
  }

  /** Results in memory as a table. */
  static of(results: Iterable<Result>): ResultTable {
    const table = new ResultTable();
    for (const result of results) table.add(result);
    return table;
  }

  get size(): number {
    return this.#sample.length;
  }

  /**
   * Takes a result.
   * @param condition under which it is kept; default: its own
   * @throws TypeError for what is no result
   */
  add(result: Result, origin: Origin = { file: 0, from: NaN }, condition = result.condition): void {
    const { cost } = result;
    const textOrNull = (value: string | null | undefined, field: string): number =>
      value === null || value === undefined ? 0 : this.#text(value, field) + 1;
    const sample = this.#samples.id([
      numberOf(this.#tasks, textOf(result.task, 'task')),
      this.#text(result.sample, 'sample'),
      this.#texts.id(JSON.stringify(listOf(result.answers))),
      textOrNull(result.category, 'category'),
      textOrNull(result.group, 'group'),
      textOrNull(result.image, 'image'),
      result.options ?? NaN,
      result.place ?? NaN,
    ]);
    this.#sample.push(sample);
    this.#condition.push(numberOf(this.#conditions, textOf(condition, 'condition')));
    this.#prediction.push(this.#text(result.prediction, 'prediction'));
    this.#choice.push(result.choice ?? -1);
    this.#score.push(result.score ?? NaN);
    this.#count.push(this.#counts.id(COUNTS.map((field) => cost[field] ?? NaN)));
    TIMES.forEach((field, i) => this.#times[i]?.push(cost[field]));
    this.#file.push(origin.file);
    this.#from.push(origin.from);
    this.#groups = undefined;
  }

  /** Results of a task under a condition. */
  of(task: string, condition: string): TaskResults {
    this.#groups ??= this.#grouped();
    return (
      this.#groups.get(`${condition}\n${task}`) ?? this.#results(task, new Uint32Array(), new Uint32Array())
    );
  }

  prediction(row: number): string {
    return this.#texts.text(this.#prediction.at(row));
  }

  /** The number of a reply's text: equal for equal replies. */
  predictionId(row: number): number {
    return this.#prediction.at(row);
  }

  /** Null for no choice. */
  choice(row: number): number | null {
    const choice = this.#choice.at(row);
    return choice === -1 ? null : choice;
  }

  /** NaN where there is none. */
  score(row: number): number {
    return this.#score.at(row);
  }

  options(row: number): number | null {
    const options = this.#samples.at(this.#sample.at(row), FIELD.options);
    return Number.isNaN(options) ? null : options;
  }

  /** Its place among the samples of its task; NaN where it is not known. */
  place(row: number): number {
    return this.#samples.at(this.#sample.at(row), FIELD.place);
  }

  answers(row: number): readonly string[] {
    return JSON.parse(
      this.#texts.text(this.#samples.at(this.#sample.at(row), FIELD.answers)),
    ) as readonly string[];
  }

  /** The number of the right answers: equal for equal ones. */
  answersId(row: number): number {
    return this.#samples.at(this.#sample.at(row), FIELD.answers);
  }

  category(row: number): string | null {
    return this.#textOrNull(row, FIELD.category);
  }

  group(row: number): string | null {
    return this.#textOrNull(row, FIELD.group);
  }

  image(row: number): string | null {
    return this.#textOrNull(row, FIELD.image);
  }

  /** NaN for what was not measured. */
  cost(row: number, field: CostField): number {
    const time = TIMES.findIndex((name) => name === field);
    if (time !== -1) return this.#times[time]?.at(row) ?? NaN;
    return this.#counts.at(
      this.#count.at(row),
      COUNTS.findIndex((name) => name === field),
    );
  }

  /** Where a row lies. */
  origin(row: number): Origin {
    return { file: this.#file.at(row), from: this.#from.at(row) };
  }

  /**
   * Rows as they lie in their files.
   * @throws FastvError as reading a file does; `invalid-input` where something else lies there by now
   */
  read(rows: readonly number[]): Result[] {
    return Array.from(this.lines(rows), (line, i): Result => {
      const result = JSON.parse(line.toString('utf8')) as Result;
      const row = rows[i] ?? -1;
      if (result.prediction === this.prediction(row)) return result;
      throw new FastvError('invalid-input', 'the results were changed while they were read', {
        where: this.#files[this.#file.at(row)] ?? '',
        hint: 'run the command again when nothing else writes them',
      });
    });
  }

  /** The lines of rows, each with its end. @throws FastvError as reading a file does */
  *lines(rows: Iterable<number>): Generator<Buffer> {
    const open = new Map<string, number>();
    try {
      for (const row of rows) {
        const path = this.#files[this.#file.at(row)];
        if (path === undefined) throw new TypeError('a result that lies in no file has no line');
        const fd = open.get(path) ?? openRegular(path).fd;
        open.set(path, fd);
        yield lineAt(fd, this.#from.at(row), path);
      }
    } finally {
      for (const fd of open.values()) closeSync(fd);
    }
  }

  #text(value: unknown, field: string): number {
    return this.#texts.id(textOf(value, field));
  }

  #textOrNull(row: number, field: number): string | null {
    const id = this.#samples.at(this.#sample.at(row), field);
    return id === 0 ? null : this.#texts.text(id - 1);
  }

  #results(task: string, rows: Uint32Array, names: Uint32Array): TaskResults {
    const at = (place: number): Row | undefined => {
      const row = rows[place];
      return row === undefined ? undefined : new Row(this, row);
    };
    return { table: this, task, rows, names, samples: () => ({ length: rows.length, at }) };
  }

  #grouped(): Map<string, TaskResults> {
    const numbers = this.#nameNumbers();
    const [tasks, conditions] = [[...this.#tasks.keys()], [...this.#conditions.keys()]];
    const groups = new Map<number, Column>();
    for (let row = 0; row < this.size; row++) {
      const task = this.#samples.at(this.#sample.at(row), FIELD.task);
      const key = task * this.#conditions.size + this.#condition.at(row);
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = new Column(Uint32Array)));
      group.push(row);
    }
    const named = new Map<string, TaskResults>();
    for (const [key, group] of groups) {
      const [task = '', condition = ''] = [
        tasks[Math.floor(key / conditions.length)],
        conditions[key % conditions.length],
      ];
      // a number and a row in one, so that numbers are sorted and nothing is called back
      const order = new Float64Array(group.length);
      for (let i = 0; i < order.length; i++) {
        const row = group.at(i);
        order[i] = (numbers[this.#sample.at(row)] ?? 0) * this.size + row;
      }
      order.sort();
      const [rows, names] = [new Column(Uint32Array), new Column(Uint32Array)];
      order.forEach((value, i) => {
        const name = Math.floor(value / this.size);
        // the last of a sample's
        if (Math.floor((order[i + 1] ?? Infinity) / this.size) === name) return;
        names.push(name);
        rows.push(value % this.size);
      });
      named.set(`${condition}\n${task}`, this.#results(task, arrayOf(rows), arrayOf(names)));
    }
    return named;
  }

  /** For each tuple of a sample the number of its name in its task, by the names' order. */
  #nameNumbers(): Uint32Array {
    const numbers = new Uint32Array(this.#samples.size);
    const byTask = new Map<number, number[]>();
    for (let id = 0; id < numbers.length; id++) {
      const task = this.#samples.at(id, FIELD.task);
      const own = byTask.get(task);
      if (own === undefined) byTask.set(task, [id]);
      else own.push(id);
    }
    for (const ids of byTask.values()) {
      const names = ids.map((id) => this.#texts.text(this.#samples.at(id, FIELD.name)));
      const order = Uint32Array.from(ids.keys());
      order.sort((a, b) => {
        const [one = '', other = ''] = [names[a], names[b]];
        return one < other ? -1 : one > other ? 1 : 0;
      });
      let number = -1;
      order.forEach((place, i) => {
        if (i === 0 || names[place] !== names[order[i - 1] ?? 0]) number++;
        numbers[ids[place] ?? 0] = number;
      });
    }
    return numbers;
  }
}

/** A row as metrics take it. */
class Row implements ScoredSample {
  readonly #table: ResultTable;
  readonly #row: number;

  constructor(table: ResultTable, row: number) {
    this.#table = table;
    this.#row = row;
  }

  get prediction(): string {
    return this.#table.prediction(this.#row);
  }

  get score(): number | null {
    const score = this.#table.score(this.#row);
    return Number.isNaN(score) ? null : score;
  }

  get answers(): readonly string[] {
    return this.#table.answers(this.#row);
  }

  get category(): string | null {
    return this.#table.category(this.#row);
  }

  get group(): string | null {
    return this.#table.group(this.#row);
  }

  get choice(): number | null {
    return this.#table.choice(this.#row);
  }

  get options(): number | null {
    return this.#table.options(this.#row);
  }

  get image(): string | undefined {
    return this.#table.image(this.#row) ?? undefined;
  }
}

function arrayOf(column: Column): Uint32Array {
  const all = new Uint32Array(column.length);
  for (let i = 0; i < all.length; i++) all[i] = column.at(i);
  return all;
}

/** The number of a name among those that have come. */
function numberOf(names: Map<string, number>, name: string): number {
  const known = names.get(name);
  if (known !== undefined) return known;
  names.set(name, names.size);
  return names.size - 1;
}

function textOf(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new TypeError(`a result has no ${field}`);
  return value;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('a result has no answers');
  return value;
}
