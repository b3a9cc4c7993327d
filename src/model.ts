// `fastv/model` in Node: a model with its processor, opened in one call. It imports Transformers.js, which `fastv` does not.
export { embeddedModel } from './runtime/embedded.js';
export { calibrate, type CalibrateOptions, type Calibration } from './runtime/calibrate.js';
export { openModel, type OpenedModel, type OpenOptions } from './runtime/model.js';
export type { AnswerStream } from './runtime/answer-stream.js';
export type { Answer, AskOptions } from './runtime/ask.js';
export type { Message, RgbImage } from './runtime/conversation.js';
