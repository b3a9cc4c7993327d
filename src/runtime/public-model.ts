// What `fastv/model` has in Node and in a browser alike: the one list.
export { inspectModel, type InspectModelOptions, type ModelInspection } from './inspect-model.js';
export { calibrate } from './calibrate.js';
export type { CalibrateOptions, Calibration } from './auto-ratio.js';
export type { OpenedModel, Pruning } from './open-model.js';
export type { AnswerStream } from './answer-stream.js';
export type { Answer, AskOptions } from './ask.js';
export type { Cached } from './cached-model.js';
export type { Message, RgbImage } from './conversation.js';
