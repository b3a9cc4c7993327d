/** What `fastv inspect` does. */
import { statSync } from 'node:fs';
import { readModelFile } from '../../files/model-file.js';
import {
  inspectDecoder,
  weightAdvice,
  type CutInspection,
  type FormatShare,
  type Inspection,
  type LayerInspection,
} from '../../rewrite/index.js';
import { unsigned } from '../../quantize/unsigned.js';
import { nodeSessionClass } from '../../runtime/node-session.js';
import { int8Products as productsOf } from '../../runtime/processor.js';
import { processorClass } from '../../runtime/processor-class.js';
import type { Terminal } from '../terminal.js';
import { inspectFolder } from './inspect-folder.js';

/** Prints what a decoder file is made of, and where a cut would fall. */
export async function inspect(file: string, terminal: Terminal): Promise<void> {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    await inspectFolder(file, terminal);
    return;
  }
  const source = await readModelFile(file, { checkData: false });
  const inspection = inspectDecoder(source.model);
  const int8Products = await productsOf(await nodeSessionClass());
  const formats = weightAdvice(source.model, int8Products);
  const loadedAs = int8Products === 'saturating' && unsigned(source.model).changed ? 'uint8' : null;
  const processor = { class: await processorClass(), int8Products, int8LoadedAs: loadedAs };
  terminal.result({ file, dataFiles: source.dataFiles, ...inspection, formats, processor }, () =>
    [
      ...describe(inspection, source.dataFiles),
      ...formats.flatMap(describeFormat),
      `processor ${processor.class}`,
      ...(loadedAs === null ? [] : [UNSIGNED]),
    ].join('\n'),
  );
}

const UNSIGNED =
  "this processor's int8 products saturate: fastv loads these int8 weights as uint8, which is exact; what else loads the file is not";

function describe(inspection: Inspection, dataFiles: readonly string[]): string[] {
  const plain = inspection.inputs.filter((name) => !name.startsWith('past_'));
  const outputs = inspection.outputs.filter((name) => !name.startsWith('present'));
  const weights = Object.entries(inspection.weights).map(([type, count]) => `${type} × ${count}`);
  return [
    `${inspection.layers.length} layers, ${inspection.nodes} nodes, opset ${inspection.opset}, made by ${inspection.producer || 'an unnamed exporter'}`,
    `inputs   ${plain.join(', ')}, and a cache for each layer`,
    `outputs  ${outputs.join(', ')}, and a cache for each layer`,
    `weights  ${weights.join(', ') || 'none found'}${dataFiles.length > 0 ? `, in ${dataFiles.join(', ')}` : ''}`,
    ...groups(inspection.layers).map(
      ({ from, to, layer }) => `layer ${from === to ? from : `${from}–${to}`}: ${describeLayer(layer)}`,
    ),
    ...describeCuts(inspection.cuts),
  ];
}

/** What to do where weights are in a slow format. */
function describeFormat({ format, share, advice }: FormatShare): string[] {
  return Object.entries(advice).map(
    ([device, what]) =>
      `on ${device === 'cpu' ? 'the CPU' : 'WebGPU'}, ${Math.round(100 * share)}% of the weights are ${format}: ${what}`,
  );
}

/** One line for all K that can cut, one for each that cannot. */
function describeCuts(cuts: readonly CutInspection[]): string[] {
  const possible = cuts.filter(({ after }) => after !== undefined);
  const example = possible.find(({ layer }) => layer === 2) ?? possible[0];
  const refused = cuts.filter((cut) => cut.refused !== undefined);
  const tried = possible.length + refused.length;
  return [
    ...(example === undefined
      ? ['no K can cut']
      : [
          `K can be ${possible.map(({ layer }) => layer).join(', ')}`,
          `K = ${example.layer} cuts after ${example.after ?? ''}`,
        ]),
    ...refused.map(({ layer, refused: why }) => `K = ${layer} cannot cut: ${why ?? ''}`),
    ...(tried < cuts.length ? [`K from ${tried + 1} was not tried, for the graph is very large`] : []),
  ];
}

function describeLayer(layer: LayerInspection): string {
  if (layer.attention === 'none') return 'no attention';
  const say = (n: number | undefined, what: string): string => `${n ?? '?'} ${what}`;
  return [
    layer.attention,
    say(layer.heads, 'heads'),
    say(layer.kvHeads, 'KV heads'),
    `head size ${layer.headSize ?? '?'}`,
    layer.rotation === 'in-op' ? 'rotation inside the operator' : 'rotation outside the operator',
    ...(layer.localWindow === undefined ? [] : [`local window ${layer.localWindow}`]),
    ...(layer.softcap === undefined ? [] : [`softcap ${layer.softcap}`]),
    ...(layer.sharedBy === undefined
      ? []
      : [`keys shared by ${layer.sharedBy} later layers without a cache`]),
  ].join(', ');
}

/** Neighbouring layers that are alike, as one. */
function groups(layers: readonly LayerInspection[]): { from: number; to: number; layer: LayerInspection }[] {
  const merged: { from: number; to: number; layer: LayerInspection }[] = [];
  for (const layer of layers) {
    const last = merged.at(-1);
    if (last !== undefined && describeLayer(last.layer) === describeLayer(layer)) last.to = layer.index;
    else merged.push({ from: layer.index, to: layer.index, layer });
  }
  return merged;
}
