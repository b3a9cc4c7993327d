// What ONNX Runtime says when it cannot load a model, as an error that names the file and what to do. Its own are plain
// errors: a status of C++ and a message, of which some hundred are in its sources. The kinds that users meet are told
// apart here by their words; of any other the first line is said.
import { FastvError, type FastvErrorCode } from '../errors.js';
import { decodeModel } from '../onnx/index.js';
import { reasonOf } from './tell.js';

/** A kind of failure. */
interface Kind {
  readonly words: RegExp;
  readonly code: FastvErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** In the order in which they are tried. */
const KINDS: readonly Kind[] = [
  {
    words: /bad_alloc|out of memory|\bOOM\b|failed to allocate|allocation failed|cannot enlarge memory/iu,
    code: 'inference',
    message: 'there is not enough memory to load this model',
    hint: 'Load a smaller dtype (q8, q4, q4f16), or close what else is in memory.',
  },
  {
    words: /no available backend|execution ?provider|adapter|shared library|unsupported device|\bDawn\b/iu,
    code: 'invalid-option',
    message: 'the model cannot be loaded on this device',
    hint: 'Leave device out for the default; every other device needs its hardware, its drivers, and a build of ONNX Runtime that has it.',
  },
  {
    words: /external data|external initializer|_data["']? (?:does not exist|not found)|MountedFiles/iu,
    code: 'external-data',
    message: 'weights that the model keeps in another file cannot be read',
    hint: 'The files with its weights (…onnx_data) must lie beside it, whole, and under their own names.',
  },
  {
    words: /protobuf|no graph was found|does not have a graph|ModelProto|file is too short/iu,
    code: 'malformed-model',
    message: 'this is no whole ONNX model',
    hint: 'The file is damaged or was cut short: fetch it again.',
  },
  {
    words:
      /not a registered (?:function|op)|could not find an implementation|NOT_IMPLEMENTED|opset \d+ is under development|unsupported model IR version|no op(?:erator)? registered|no schema registered/iu,
    code: 'inference',
    message: 'the model has operators that this ONNX Runtime does not know',
    hint: 'A newer @huggingface/transformers brings a newer ONNX Runtime; or take another dtype or device.',
  },
];

const ANY: Omit<Kind, 'words'> = {
  code: 'inference',
  message: 'ONNX Runtime cannot load the model',
  hint: 'Fetch the file again if it may be damaged; otherwise this ONNX Runtime refuses what it holds.',
};

/**
 * An error of `InferenceSession.create`.
 * @param cause what was thrown; a `FastvError` stays as it is
 * @param model what was to be loaded: a file's path, or bytes
 */
export function sessionError(cause: unknown, model: string | Uint8Array): FastvError {
  if (cause instanceof FastvError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const { code, message, hint } = KINDS.find(({ words }) => words.test(text)) ?? ANY;
  return new FastvError(code, `${message}: ${reasonOf(cause)}`, {
    where: placeOf(model),
    hint,
    cause,
  });
}

/** The file, or of bytes what they are to a model. */
function placeOf(model: string | Uint8Array): string {
  if (typeof model === 'string') return model;
  let inputs: readonly string[] = [];
  try {
    inputs = decodeModel(model).graph.input.map(({ name }) => name);
  } catch {
    // no ONNX model: its size is all there is to say
  }
  const parts = {
    pixel_values: 'the vision encoder',
    inputs_embeds: 'the decoder',
    input_ids: 'embed_tokens',
  };
  const part = Object.entries(parts).find(([input]) => inputs.includes(input))?.[1];
  return `${part ?? 'a model'} of ${model.length} bytes, in memory`;
}
