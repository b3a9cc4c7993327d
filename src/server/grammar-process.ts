// The process that makes one grammar and follows it. Of a schema that a stranger wrote, the library may make a grammar for
// minutes, or fill the memory; here it can be given up, and neither the server nor another answer waits for it. A process
// for each grammar, because who shares one shares its end.
import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { FastvError } from '../errors.js';
import { badRequest } from './api-error.js';
import type { Constraint } from './engine/engine.js';

/** The tokens that answers are made of. */
export interface Vocabulary {
  /** By their ids; empty for what is no part of an answer. */
  readonly tokens: readonly string[];
  /** How they write bytes: `raw`, `byte_level` or `byte_fallback`. */
  readonly kind: string;
  readonly ends: readonly number[];
}

/** JSON of a schema. */
export interface SchemaToFollow {
  readonly schema: string;
  /** Whether objects have no more than the schema says. */
  readonly strict: boolean;
}

/** A grammar that is to be made. */
export type GrammarSource =
  | SchemaToFollow
  | {
      /** What a text may hold, each with a content of its own. */
      readonly tags: readonly (SchemaToFollow & { readonly begin: string; readonly end: string })[];
      /** How they may follow each other: a structural tag without its tags. */
      readonly format: Readonly<Record<string, unknown>>;
    };

/**
 * What a grammar may take: the processor's milliseconds until it is made, and for each token; bytes beside the vocabulary.
 * Waiting for a busy machine is free.
 */
const MOST = { making: 4_000, step: 1_000, memory: 256 * 2 ** 20 } as const;

/** The process, given the path of the library, which calls itself a module and is a script that wants CommonJS's names. */
const CHILD = `
const { readFileSync } = require('node:fs');
const { Module } = require('node:module');
const { Worker } = require('node:worker_threads');
const file = process.argv[1];
const most = new Float64Array(new SharedArrayBuffer(16)).fill(Infinity);
const WATCH = \`
  const { workerData: { most, parent } } = require('node:worker_threads');
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const over = process.memoryUsage.rss() > most[0] || (user + system) / 1000 > most[1];
    if (over || process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  }, 10);
\`;
const allow = (milliseconds) => {
  const { user, system } = process.cpuUsage();
  most[1] = (user + system) / 1000 + milliseconds;
};
const COMPACT = [false, -1, [',', ':']];
const matchers = new Map();
let limits, library, compiler, compiled;
const answers = {
  async load({ vocabulary: { tokens, kind, ends }, limits: given }) {
    const script = new Module(file);
    script._compile(readFileSync(file, 'utf8'), file);
    library = script.exports;
    const info = await library.TokenizerInfo.createTokenizerInfo(tokens, kind, false, tokens.length, ends);
    compiler = await library.GrammarCompiler.createGrammarCompiler(info, false);
    limits = given;
    most[0] = process.memoryUsage.rss() + limits.memory;
  },
  async make({ source: { schema, strict, tags, format } }) {
    allow(limits.making);
    if (tags === undefined) {
      compiled = await compiler.compileJSONSchema(schema, ...COMPACT, strict);
    } else {
      const all = [];
      for (const { schema, strict, begin, end } of tags) {
        const grammar = await library.Grammar.fromJSONSchema(schema, ...COMPACT, strict);
        all.push({ type: 'tag', begin, content: { type: 'grammar', grammar: grammar.toString() }, end });
        grammar.dispose();
      }
      compiled = await compiler.compileStructuralTag({ type: 'structural_tag', format: { ...format, tags: all } });
    }
    allow(limits.step);
  },
  async open({ matcher }) {
    allow(limits.step);
    matchers.set(matcher, await library.GrammarMatcher.createGrammarMatcher(compiled));
  },
  async next({ matcher, ids }) {
    allow(limits.step);
    const one = matchers.get(matcher);
    for (const id of ids) one.acceptToken(id);
    return one.getNextTokenBitmask();
  },
  async close({ matcher }) {
    matchers.get(matcher)?.dispose();
    matchers.delete(matcher);
  },
};
// one after another, as they were asked
let last = Promise.resolve();
process.on('message', (question) => {
  last = last.then(async () => {
    const { id } = question;
    try {
      process.send({ id, mask: await answers[question.kind](question) });
    } catch {
      process.send({ id, failed: true });
    }
  });
});
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());
new Worker(WATCH, { eval: true, workerData: { most, parent: process.ppid } });
`;

type Question =
  | { readonly kind: 'load'; readonly vocabulary: Vocabulary; readonly limits: typeof MOST }
  | { readonly kind: 'make'; readonly source: GrammarSource }
  | { readonly kind: 'open' | 'close'; readonly matcher: number }
  | { readonly kind: 'next'; readonly matcher: number; readonly ids: readonly number[] };

interface Answer {
  readonly id: number;
  /** Of `next`: bits of the tokens that may come, 32 an entry. */
  readonly mask?: Int32Array;
  readonly failed?: boolean;
}

interface Waiting {
  readonly done: (answer: Answer) => void;
  readonly fail: (why: Error) => void;
}

/** One grammar; whoever made it closes it. */
export class GrammarProcess {
  /** Ends when the grammar is made. @throws {ApiError} 400 naming the field for a schema that none can be made of */
  readonly made: Promise<void>;
  readonly #param: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  /** Why there is no process any more. */
  #ended: Error | undefined;
  #count = 0;

  /** @param param the field of the schema, for errors */
  constructor(vocabulary: Vocabulary, source: GrammarSource, param: string) {
    this.#param = param;
    this.#child = startProcess();
    this.#child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.failed === true) waiting?.fail(badRequest('no grammar can be made of this schema', param));
      else waiting?.done(answer);
    });
    this.#child.on('error', (cause) => {
      const message = `the process for grammars cannot be started: ${cause.message}`;
      this.#end(new FastvError('io', message, { cause }));
    });
    this.#child.on('exit', () => {
      this.#end(badRequest('a grammar of this schema takes more time or memory than it may', param));
    });
    this.#child.unref();
    this.#child.channel?.unref();
    const load = this.#ask({ kind: 'load', vocabulary, limits: MOST });
    this.made = Promise.all([load, this.#ask({ kind: 'make', source })]).then(() => undefined);
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** What holds one answer to the grammar. Its methods throw an {ApiError} where that takes too much. */
  async constraint(): Promise<Constraint> {
    const matcher = this.#count++;
    await this.#ask({ kind: 'open', matcher });
    let ids: number[] = [];
    return {
      allowed: async () => {
        const taken = ids;
        ids = [];
        const { mask } = await this.#ask({ kind: 'next', matcher, ids: taken });
        if (mask === undefined) throw badRequest('this grammar has no next token', this.#param);
        return mask;
      },
      accept: (id) => void ids.push(id),
      close: () => {
        this.#ask({ kind: 'close', matcher }).catch(() => undefined);
      },
    };
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #end(why: Error): void {
    this.#ended ??= why;
    for (const { fail } of this.#waiting.values()) fail(this.#ended);
    this.#waiting.clear();
  }

  async #ask(question: Question): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#count++;
    // only who waits for an answer keeps the server's process alive
    this.#child.ref();
    this.#child.channel?.ref();
    try {
      return await new Promise<Answer>((done, fail) => {
        this.#waiting.set(id, { done, fail });
        this.#child.send({ ...question, id }, () => undefined);
      });
    } finally {
      if (this.#waiting.size === 0) {
        this.#child.unref();
        this.#child.channel?.unref();
      }
    }
  }
}

function startProcess(): ChildProcess {
  const own: unknown = import.meta.url;
  // a bundle in CommonJS has no import.meta.url, and is a file itself
  const require = createRequire(typeof own === 'string' ? own : __filename);
  return spawn(process.execPath, ['-e', CHILD, require.resolve('@mlc-ai/web-xgrammar')], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    windowsHide: true,
    // a stranger's schema needs nothing of the user's; Electron's program is Node if it is told so
    env: { ELECTRON_RUN_AS_NODE: '1', SystemRoot: process.env['SystemRoot'] ?? '' },
  });
}
