// A model's chat template is a program of its author's. In Node it runs in a process of its own, which may take so much
// time and memory, and is kept for the next one. In an app that is bundled there is no Jinja to start it with, and in
// Bun and Deno no such process: there templates run in the app's own, which limits their time only. A browser has no
// limit, and offers to stop the page.
import { FastvError } from '../errors.js';
import { withTimeLimit } from './time-limit.js';

/** What a template may take: milliseconds, megabytes of JavaScript's heap, characters of the text that it gives. */
const MOST = { milliseconds: 2_000, megabytes: 64, characters: 2 ** 24 } as const;

/** The process, given the path of Transformers.js's own Jinja. */
const CHILD = `
const { runInNewContext } = require('node:vm');
const { Template } = require(process.argv[1]);
const reasonOf = (error, { milliseconds }) =>
  error?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    ? 'takes more than ' + milliseconds / 1000 + ' seconds'
    : 'fails: ' + String(error?.message ?? error).split('\\n')[0];
// time is counted by the clock: where the processor worked for others, once more, and twice as long
const limited = (run, milliseconds) => {
  const start = process.cpuUsage();
  for (let timeout = milliseconds; ; timeout *= 2) {
    try {
      return runInNewContext('run()', { run }, { timeout });
    } catch (error) {
      const { user, system } = process.cpuUsage(start);
      if (error?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT' || (user + system) / 1000 > milliseconds / 4) throw error;
    }
  }
};
process.on('message', ({ template, context, most }) => {
  try {
    const run = () => new Template(template).render(context);
    const text = limited(run, most.milliseconds);
    process.send(text.length > most.characters ? { refused: 'gives a text without an end' } : { text });
  } catch (error) {
    process.send({ refused: reasonOf(error, most) });
  }
});
process.on('SIGINT', () => undefined);
`;

type Answer = { readonly text: string } | { readonly refused: string };

interface Child {
  on(event: 'message', listener: (answer: Answer) => void): void;
  on(event: 'error', listener: (cause: Error) => void): void;
  on(event: 'exit', listener: () => void): void;
  send(message: unknown, sent: () => void): void;
  ref(): void;
  unref(): void;
  readonly channel?: { ref(): void; unref(): void } | null;
}

interface ChildProcesses {
  readonly spawn: (program: string, args: readonly string[], options: object) => Child;
}

interface Modules {
  readonly createRequire: (from: string) => { resolve(name: string): string };
}

interface NodeProcess {
  readonly execPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly versions?: { readonly node?: string; readonly bun?: string; readonly deno?: string };
}

const { process: node } = globalThis as { process?: NodeProcess };

const { node: nodeVersion, bun, deno } = node?.versions ?? {};
/** Whether there are such processes here: Bun and Deno say that they are Node too. */
const HAS_PROCESSES = nodeVersion !== undefined && bun === undefined && deno === undefined;

/** One process, asked one thing at a time. */
class TemplateProcess {
  readonly #child: Child;
  #settle: (answer: Answer | Error) => void = () => undefined;
  /** Why it is no more. */
  #ended: Error | undefined;

  constructor(child: Child) {
    this.#child = child;
    const end = (why: Error): void => {
      current = undefined;
      this.#ended ??= why;
      this.#settle(this.#ended);
    };
    child.on('message', (answer) => {
      this.#settle(answer);
    });
    child.on('error', (cause) => {
      const message = `the process for chat templates cannot be started: ${cause.message}`;
      end(new FastvError('io', message, { cause }));
    });
    child.on('exit', () => {
      end(new FastvError('invalid-input', `the chat template takes more than ${MOST.megabytes} MB`));
    });
    child.unref();
    child.channel?.unref();
  }

  async render(template: string, context: unknown): Promise<string> {
    // whoever waits for an answer may not end before it comes
    this.#child.ref();
    this.#child.channel?.ref();
    try {
      const answer = await new Promise<Answer>((done, fail) => {
        this.#settle = (given) => {
          if (given instanceof Error) fail(given);
          else done(given);
        };
        if (this.#ended === undefined) this.#child.send({ template, context, most: MOST }, () => undefined);
        else fail(this.#ended);
      });
      if ('text' in answer) return answer.text;
      throw new FastvError('invalid-input', `the chat template ${answer.refused}`);
    } finally {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }
}

let current: Promise<TemplateProcess | undefined> | undefined;
let last: Promise<unknown> = Promise.resolve();

/** Starts the process, so that it is there when it is asked. @returns undefined where there can be none */
export function startTemplates(): Promise<TemplateProcess | undefined> {
  return (current ??= start().catch((cause: unknown) => {
    current = undefined;
    throw cause;
  }));
}

/** How a template is rendered. */
export interface Rendering {
  readonly template: string;
  /** What the template may look at: plain data. */
  readonly context: () => unknown;
  /** Renders it in this process. */
  readonly here: () => string;
}

/**
 * Renders a chat template.
 * @throws {FastvError} `invalid-input` if it fails, or takes more time or memory than it may
 */
export function renderTemplate({ template, context, here }: Rendering): Promise<string> {
  const turn = last.then(async () => {
    const process = await startTemplates();
    if (process !== undefined) return process.render(template, context());
    return withTimeLimit(MOST.milliseconds, 'the chat template', here) as string;
  });
  last = turn.catch(() => undefined);
  return turn;
}

async function start(): Promise<TemplateProcess | undefined> {
  const jinja = HAS_PROCESSES ? await jinjaFile() : undefined;
  if (jinja === undefined) return undefined;
  const { spawn } = await nodeModule<ChildProcesses>('child_process');
  const { execPath = '', env = {} } = node ?? {};
  const args = [`--max-old-space-size=${MOST.megabytes}`, '--max-semi-space-size=8', '-e', CHILD, jinja];
  const child = spawn(execPath, args, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    windowsHide: true,
    // a stranger's template needs nothing of the user's but the time of day; Electron's program is Node if it is told so
    env: {
      ELECTRON_RUN_AS_NODE: '1',
      SystemRoot: env['SystemRoot'] ?? '',
      ...(env['TZ'] === undefined ? {} : { TZ: env['TZ'] }),
    },
  });
  return new TemplateProcess(child);
}

/** Where Transformers.js's own Jinja lies; undefined in a bundle, whose modules have no place. */
async function jinjaFile(): Promise<string | undefined> {
  const { createRequire } = await nodeModule<Modules>('module');
  try {
    const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
    return createRequire(transformers).resolve('@huggingface/jinja');
  } catch {
    return undefined;
  }
}

/** A module of Node's, without an import that bundlers for browsers would have to resolve. */
async function nodeModule<T>(name: string): Promise<T> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ `node:${name}`)) as T;
}
