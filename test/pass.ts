// What every pass over a graph promises: the given model stays as it was, the result is valid, it says whether it changed
// anything, and a second run has nothing left to do.

import { expect } from 'vitest';
import {
  concatChunks,
  decodeModel,
  encodeModel,
  GraphView,
  ModelProtoSchema,
  toBinary,
  type OnnxModel,
  type Pass,
} from '../src/onnx/index.js';

export interface PassCase {
  readonly changed: boolean;
  /** What a second run does: nothing, unless the pass refuses its own result. */
  readonly again?: 'nothing' | 'refused';
}

/** Runs a pass and checks its promises. */
export function checkPass<Report>(
  pass: (model: OnnxModel) => Pass<Report>,
  model: OnnxModel,
  { changed, again = 'nothing' }: PassCase,
): Pass<Report> {
  const before = Buffer.from(toBinary(ModelProtoSchema, model));
  const result = pass(model);
  expect(Buffer.from(toBinary(ModelProtoSchema, model)).equals(before), 'the given model').toBe(true);
  expect(result.changed, 'changed').toBe(changed);
  expect(result.model === model, 'the same model').toBe(!changed);
  const { graph } = decodeModel(concatChunks(encodeModel(result.model)));
  const view = new GraphView(graph);
  expect(view.nodes, 'sorted').toEqual(graph.node);
  for (const weight of model.graph.initializer) {
    if (weight.rawData.length > 4096) expect(result.model.graph.initializer).toContain(weight);
  }
  if (again === 'refused') {
    expect(() => pass(result.model)).toThrow(expect.objectContaining({ name: 'FastvError' }));
  } else {
    const second = pass(result.model);
    expect(second.changed, 'changed again').toBe(false);
    expect(second.model, 'the model of the second run').toBe(result.model);
  }
  return result;
}
