/** What `fastv serve` does. */
import type { Command, Option } from 'commander';
import { FastvError } from '../../errors.js';
import { readText } from '../../files/read.js';
import { modelNameOrFolder } from '../../files/model-name.js';
import { Conversation } from '../../runtime/conversation.js';
import { embeddedModel } from '../../runtime/embedded.js';
import { openServed } from '../../server/engine/open-served.js';
import { planOf, withPlan } from '../../server/plan.js';
import { modelId, pruningOf, serve } from '../../server/serve.js';
import type { ServerLimits } from '../../server/limits.js';
import { stderrLogger, type LogLevel } from '../../server/log.js';
import type { ModelToServe } from '../../server/served-model.js';
import { loading, loadingOptions, plugOptions } from '../model.js';
import { refuseIdleSeed, type ModelFlags } from '../options/model.js';
import { LIMIT_OPTIONS } from '../options/serve-limits.js';
import { methodOf } from '../options/strategy.js';
import { prepareTransformers } from '../transformers-env.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv serve`, limits by their options' names beside. */
export interface ServeFlags
  extends Omit<ModelFlags, 'model' | 'maxNewTokens' | 'frames'>, Readonly<Record<string, unknown>> {
  readonly model?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly mediaRoot?: string;
  readonly cors?: readonly string[];
  readonly grace: number;
  readonly logLevel: LogLevel;
}

/** The flags that say how a model is served. */
type ServedFlags = Omit<ModelFlags, 'model' | 'maxNewTokens' | 'frames'>;

/** Bytes that a configuration file may have. */
const CONFIG_BYTES = 2 ** 20;

/** Serves until it is told to end. */
export async function serveCommandLine(
  command: Command,
  given: ServeFlags,
  terminal: Terminal,
): Promise<void> {
  refuseIdleSeed(command, given);
  const flags = given.config === undefined ? given : await withConfig(command, given.config);
  if (flags.printConfig === true) {
    printConfig(command, flags, terminal);
    return;
  }
  prepareTransformers(flags);
  const server = await serve({
    host: flags.host,
    port: flags.port,
    models: (flags.model ?? [undefined]).map((name) => modelToServe(name, flags)),
    limits: limitsOf(flags),
    allowNetwork: flags.allowNetwork === true,
    cors: flags.cors ?? [],
    logger: stderrLogger(terminal.quiet && flags.logLevel === 'info' ? 'warn' : flags.logLevel),
    ...(flags.apiKey === undefined ? {} : { apiKey: flags.apiKey }),
    ...(flags.mediaRoot === undefined ? {} : { mediaRoot: flags.mediaRoot }),
  });
  const stop = terminal.interrupts.inGoodOrder('Ending; running answers are finished.');
  const told = new Promise<void>((resolve) => {
    stop.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
  try {
    await Promise.race([server.loaded, told]);
    if (!stop.aborted)
      terminal.result({ url: server.url, port: server.port }, () => `fastv serves at ${server.url}/v1`);
    await told;
  } finally {
    await server.close(flags.grace * 1000);
  }
}

/** A model as a server opens it. */
export function modelToServe(named: string | undefined, flags: ServedFlags): ModelToServe {
  const name = named === undefined ? embeddedModel() : modelNameOrFolder(named);
  const one = modelFlags(named, flags);
  return {
    id: modelId(name),
    pruning: pruningOf(plugOptions(one)),
    plan: planOf(plugOptions(one)),
    open: (vision, plan) =>
      loading(name, one, async () =>
        openServed(name, {
          fastv: withPlan(plugOptions(one), plan),
          loading: loadingOptions(one),
          conversation: await Conversation.load(name),
          vision,
        }),
      ),
  };
}

/** The flags of one model, as other commands have them. */
function modelFlags(named: string | undefined, flags: ServedFlags): ModelFlags {
  const { layer, ratio, budget, seed, dtype, device, allowNetwork = false } = flags;
  const { schedule, ...method } = methodOf(flags);
  if (schedule !== undefined) {
    throw new FastvError(
      'invalid-option',
      'a schedule is not served: requests say layers and shares themselves',
      {
        where: '--preset',
        hint: 'Give --layer and --ratio.',
      },
    );
  }
  return {
    layer,
    ...method,
    allowNetwork,
    maxNewTokens: 0,
    frames: 0,
    ...(named === undefined ? {} : { model: named }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(budget === undefined ? {} : { budget }),
    ...(seed === undefined ? {} : { seed }),
    ...(dtype === undefined ? {} : { dtype }),
    ...(device === undefined ? {} : { device }),
  };
}

function limitsOf(flags: ServeFlags): Partial<ServerLimits> {
  return Object.fromEntries(LIMIT_OPTIONS.map(({ limit, flag }) => [limit, flags[camelCase(flag)]]));
}

/** The flags with those of a file beneath: what the command line or the environment says comes first. */
async function withConfig(command: Command, path: string): Promise<ServeFlags> {
  const refuse = (message: string, hint = 'write {"port": 8080, "max-queue": 16}'): FastvError =>
    new FastvError('invalid-option', message, { where: path, hint });
  let config: unknown;
  try {
    config = JSON.parse(await readText(path, CONFIG_BYTES));
  } catch (error) {
    if (error instanceof FastvError) throw error;
    throw refuse('the configuration file is no JSON');
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw refuse('the configuration file is no object');
  for (const [name, value] of Object.entries(config)) {
    const option = command.options.find(({ long }) => long === `--${name}`);
    if (option === undefined || ['config', 'print-config', 'json', 'quiet'].includes(name))
      throw refuse(
        `the configuration file has an unknown key "${name}"`,
        'fastv serve --help lists the options',
      );
    const key = option.attributeName();
    const source = command.getOptionValueSource(key);
    if (source === 'cli' || source === 'env') continue;
    const values = (Array.isArray(value) ? value : [value]) as readonly unknown[];
    const flag = option.required || option.optional;
    const fits = flag
      ? values.every((one) => typeof one === 'string' || typeof one === 'number') &&
        (option.variadic || values.length === 1)
      : typeof value === 'boolean';
    if (!fits) throw refuse(`"${name}" cannot be ${JSON.stringify(value)}`, option.description);
    const texts = values.map(String);
    const [text = ''] = texts;
    // by the same parser as on the command line
    const parsed = option.variadic ? texts : parsedBy(option, text);
    if (option.argChoices?.includes(text) === false) {
      throw refuse(`"${name}" cannot be ${JSON.stringify(value)}`, `choose ${option.argChoices.join(', ')}`);
    }
    command.setOptionValueWithSource(key, flag ? parsed : value, 'config');
  }
  return command.opts();
}

function parsedBy({ parseArg }: Option, text: string): unknown {
  return parseArg === undefined ? text : parseArg<unknown>(text, undefined);
}

/** What would be served; the key is not shown. */
function printConfig(command: Command, flags: ServeFlags, terminal: Terminal): void {
  const shown = Object.fromEntries(
    command.options
      .map((option) => ({ name: option.long?.slice(2) ?? '', key: option.attributeName() }))
      .filter(({ name }) => !['config', 'print-config', 'json', 'quiet'].includes(name))
      .map(({ name, key }) => [
        name,
        name === 'api-key' && flags[key] !== undefined ? '(set)' : (flags[key] ?? null),
      ]),
  );
  terminal.result(shown, () => JSON.stringify(shown, null, 2));
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-(\w)/gu, (_, letter: string) => letter.toUpperCase());
}
