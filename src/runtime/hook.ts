// Between a Transformers.js model's methods and its sessions: every forward pass is begun by `Passes`, and what ONNX
// Runtime is fed and gives goes through it. The original model is hooked as well, so that its calls have times, limits
// and signals of their own.
import { FastvError } from '../errors.js';
import type { Passes } from './passes.js';
import { unknownOption } from './option-names.js';
import { CALL_OPTIONS, PLUG_OPTIONS } from './options.js';
import { prunedSession } from './pruned-session.js';
import { wrapRun } from './session.js';
import { reasonOf } from './tell.js';
import { withTokenTypes } from './token-types.js';
import { isHfTensor, isRecord, type ForwardInputs, type HfModel } from './transformers.js';

const hooked = new WeakMap<HfModel, Passes>();

/** The passes of a model that is hooked. */
export function passesOf(model: HfModel): Passes | undefined {
  return hooked.get(model);
}

/**
 * Hooks a model.
 * @param layers K of each stage of its rewritten decoder; empty for the original
 * @param positions those that its decoder has, where that is known: a generation ends there
 */
export function hook(
  model: HfModel,
  passes: Passes,
  layers: readonly number[],
  positions: number | undefined,
): void {
  const { decoder_model_merged: decoder } = model.sessions;
  if (decoder === undefined)
    throw new FastvError('unsupported-decoder', 'the model has no decoder_model_merged');
  const told = withTokenTypes(decoder, model.config, (feeds) => passes.idsOf(feeds));
  const timed = wrapRun(told, (run) => passes.timedDecoder(run));
  const pruned = layers.length === 0 ? timed : prunedSession(timed, layers.length, passes);
  model.sessions['decoder_model_merged'] = wrapRun(pruned, (run) => passes.caughtDecoder(run));
  for (const part of ['vision_encoder', 'video_encoder']) {
    const encoder = model.sessions[part];
    if (encoder !== undefined) model.sessions[part] = wrapRun(encoder, (run) => passes.visionRun(run));
  }

  const forward = model.forward.bind(model);
  const generate = model.generate.bind(model);
  // generate() keeps only the inputs that are named here
  model.forward_params.push('fastv');
  Object.assign(model, {
    forward: async (inputs: ForwardInputs): Promise<unknown> => {
      const pass = passes.begin(inputs);
      const outputs = await forward(pass.inputs).catch((error: unknown) => {
        // where a session failed, what failed after it for want of its outputs says nothing
        throw pass.failure() === undefined ? error : inferenceError(pass.failure());
      });
      if (pass.failure() !== undefined) throw inferenceError(pass.failure());
      return outputs;
    },
    generate: async (options: Record<string, unknown>): Promise<unknown> => {
      checkGenerate(options);
      const call = passes.call(options['fastv']);
      if (call.taken) {
        throw new FastvError('invalid-option', 'this call is made already', {
          where: 'fastv',
          hint: 'Take model.fastv.call(…) anew for each generate.',
        });
      }
      call.taken = true;
      return generate({ ...options, fastv: call, ...endingAt(positions, options['stopping_criteria']) });
    },
  });
  if (layers[0] === 0) keepLengths(model, passes);
  hooked.set(model, passes);
}

/** An error of ONNX Runtime as one that says so. */
function inferenceError(cause: unknown): FastvError {
  if (cause instanceof FastvError) return cause;
  return new FastvError('inference', `ONNX Runtime failed: ${reasonOf(cause)}`, {
    hint: 'Where memory is short, give fewer or smaller images; otherwise the model’s files may not fit together.',
    cause,
  });
}

/** Options of fastv in the place of Transformers.js's would be ignored. */
function checkGenerate(options: Readonly<Record<string, unknown>>): void {
  const { generation_config: config } = options;
  if (isRecord(config) && config['fastv'] !== undefined) {
    throw unknownOption('generation_config.fastv', {
      where: 'generate',
      known: [],
      hint: 'It goes beside generation_config: generate({ ...inputs, fastv: { … } }).',
    });
  }
  for (const name of PLUG_OPTIONS) {
    // a signal is one that Transformers.js may come to know
    if (name === 'signal' || name === 'cache' || options[name] === undefined) continue;
    const perCall = CALL_OPTIONS.some((own) => own === name);
    throw unknownOption(name, {
      where: 'generate',
      known: [],
      hint: perCall
        ? `It goes into fastv: generate({ ...inputs, fastv: { ${name}: … } }).`
        : `It is fixed when the model is loaded: fastv(modelClass, name, { ${name}: … }).`,
    });
  }
}

/** Stopping criteria that end a generation where the decoder's positions end, beside the caller's own. */
function endingAt(positions: number | undefined, own: unknown): Record<string, unknown> {
  if (positions === undefined) return {};
  const given: unknown[] = Array.isArray(own)
    ? own
    : isRecord(own) && Array.isArray(own['criteria'])
      ? own['criteria']
      : own === undefined || own === null
        ? []
        : [own];
  const full = (rows: readonly (readonly unknown[])[]): boolean[] =>
    rows.map((ids) => ids.length > positions);
  return { stopping_criteria: [...given, full] };
}

/** A cache tells its length by layer 0, which K = 0 shortens. */
function keepLengths(model: HfModel, passes: Passes): void {
  const prepare = model.prepare_inputs_for_generation.bind(model);
  Object.assign(model, {
    prepare_inputs_for_generation: (ids: unknown, inputs: ForwardInputs, config: unknown) => {
      const { past_key_values: cache } = inputs;
      const tensor = isRecord(cache) ? Object.values(cache).find(isHfTensor) : undefined;
      const length = tensor === undefined ? undefined : passes.lengthOf(tensor);
      if (length !== undefined) {
        Object.defineProperty(cache, 'get_seq_length', {
          value: () => length,
          configurable: true,
          enumerable: false,
        });
      }
      return prepare(ids, inputs, config);
    },
  });
}
