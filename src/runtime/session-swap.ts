// How the rewritten decoder gets in: Transformers.js passes its `session_options` on to ONNX Runtime's
// `InferenceSession.create`, so a symbol in them travels with one load, and with that load only. `create` is wrapped
// once; a call without the symbol goes straight through. Everything else — which file, download and cache, dtype,
// device, external data — stays Transformers.js's own work, and the unrewritten decoder is never handed to ONNX Runtime.
import type { InferenceSession } from 'onnxruntime-node';

export type SessionOptions = InferenceSession.SessionOptions;

/** The class whose static `create` makes sessions. */
export type SessionClass = typeof InferenceSession;

/** What ONNX Runtime is to load. */
export interface SessionSource {
  /** A file's path, or the model's bytes. */
  readonly model: string | Uint8Array;
  readonly options: SessionOptions;
}

/** Decides what is loaded in the place of a file that Transformers.js asks for. */
export type Swap = (source: SessionSource) => Promise<SessionSource>;

const SWAP = Symbol.for('fastv.session-swap');
const WRAPPED = Symbol.for('fastv.session-swap.installed');

/** Session options that carry a swap to {@link installSwap}'s wrapper. */
export function withSwap(options: SessionOptions, swap: Swap): SessionOptions {
  return Object.assign({ ...options }, { [SWAP]: swap });
}

/**
 * Session options after whose swap another one comes.
 * @param then is given what would be loaded, and what was asked for
 */
export function withSwapAfter(
  options: SessionOptions,
  then: (source: SessionSource, asked: SessionSource) => Promise<SessionSource>,
): SessionOptions {
  const swap: Swap = carriesSwap(options) ? options[SWAP] : (source) => Promise.resolve(source);
  return withSwap(options, async (asked) => then(await swap(asked), asked));
}

/** Session options that tell of each file that is asked for, whatever is loaded in its place. */
export function withWatch(options: SessionOptions, see: (source: SessionSource) => void): SessionOptions {
  return withSwapAfter(options, (source, asked) => {
    see(asked);
    return Promise.resolve(source);
  });
}

/** Wraps a session class's `create`, once, so that it obeys {@link withSwap}. */
export function installSwap(Session: SessionClass): void {
  if (WRAPPED in Session) return;
  const create = Session.create.bind(Session) as (...args: unknown[]) => Promise<InferenceSession>;
  const wrapped = async (...args: unknown[]): Promise<InferenceSession> => {
    const [model, options] = args;
    if (!carriesSwap(options) || !(typeof model === 'string' || model instanceof Uint8Array))
      return create(...args);
    const { [SWAP]: swap, ...rest } = options;
    const source = await swap({ model, options: rest });
    return create(source.model, source.options).catch(async (cause: unknown) => {
      // a page fetches the words when it needs them; where it cannot, ONNX Runtime's own must do
      const { sessionError } = await import('./session-error.js').catch(() => {
        throw cause;
      });
      throw sessionError(cause, model);
    });
  };
  Object.defineProperty(Session, 'create', { value: wrapped, configurable: true, writable: true });
  Object.defineProperty(Session, WRAPPED, { value: true });
}

function carriesSwap(options: unknown): options is SessionOptions & { [SWAP]: Swap } {
  return typeof options === 'object' && options !== null && SWAP in options;
}
