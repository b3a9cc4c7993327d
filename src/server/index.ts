// `fastv/server`: an OpenAI-compatible server of vision-language models that prunes.
import '../runtime/one-runtime.js';

export {
  createHandler,
  serve,
  type Handler,
  type HandlerOptions,
  type RunningServer,
  type ServeOptions,
} from './serve.js';
export { DEFAULT_LIMITS, type ServerLimits } from './limits.js';
export type { ModelToServe } from './served-model.js';
