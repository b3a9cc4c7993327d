// From a checkpoint to a folder that Transformers.js loads: read the configuration, find the family, make the graphs, look
// every weight up, and only then write, one weight at a time.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically } from '../files/atomic.js';
import { DataType } from '../onnx/tensor.js';
import { encodeModel, byteLength } from '../onnx/write.js';
import type { BuiltPart } from './built-part.js';
import { Adapter } from './checkpoint/adapter.js';
import { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { folderFiles, type CheckpointFiles } from './checkpoint/files.js';
import { DataFiles } from './data-files.js';
import { familyOf } from './families/index.js';
import type { Family, FamilyParts } from './families/family.js';
import { madeFiles, modelFiles } from './model-files.js';
import { PartGraph } from './part.js';
import { PARTS, type PartDtype, type PartName } from './part-names.js';
import { decoder } from './parts/decoders/decoder.js';
import { stagedFolder } from './stage.js';
import { Weights } from './weights.js';

/** One number format for all parts, or one for each; fp32 for those that are not named. */
export type BuildDtype = PartDtype | Readonly<Partial<Record<PartName, PartDtype>>>;

/** How {@link build} works. */
export interface BuildOptions {
  /** Default `fp32`. */
  readonly dtype?: BuildDtype;
  /** A LoRA adapter of PEFT that is merged into the weights: a folder, or its files. */
  readonly adapter?: string | CheckpointFiles;
  /**
   * Whether the vision encoder takes pictures of other sizes too, its learned positions interpolated: LLaVA's with CLIP. The model
   * was trained on one size, and is worse at others.
   */
  readonly interpolatePositions?: boolean;
  /** Told how many of all weights are written. */
  readonly onProgress?: (done: number, total: number, part: PartName) => void;
  /** Gives it up; nothing stays. */
  readonly signal?: AbortSignal;
}

/** What {@link build} did. */
export interface BuildReport {
  readonly family: string;
  readonly folder: string;
  readonly parts: readonly BuiltPart[];
  /** Bytes of all parts. */
  readonly bytes: number;
}

/**
 * Builds a model in Transformers.js's layout from a Hugging Face checkpoint.
 * @param checkpoint a folder, or files from elsewhere
 * @param output the folder to make; it appears whole at the end, or not at all
 * @throws {FastvError} `unsupported-decoder` for architectures that cannot be built; `malformed-model` for checkpoints that
 *   are damaged or lack tensors; `invalid-option` if `output` is there already; `io`
 * @example
 * const { parts } = await build('checkpoints/llava-1.5-7b-hf', 'models/llava-1.5-7b', { dtype: 'q8' });
 */
export async function build(
  checkpoint: string | CheckpointFiles,
  output: string,
  options: BuildOptions = {},
): Promise<BuildReport> {
  const files = typeof checkpoint === 'string' ? folderFiles(checkpoint) : checkpoint;
  const config = Config.parse(await files.text('config.json'), `${files.where}/config.json`);
  refuseQuantized(config);
  const family = familyOf(config);
  if (options.interpolatePositions === true) refuseOneSize(family, config);
  const made = await madeFiles(files, family, config);
  const opened = await Checkpoint.open(files);
  let adapter: Adapter | undefined;
  try {
    adapter = await openAdapter(options.adapter);
    const weights = new Weights(opened, adapter);
    const parts = family.parts(config, weights);
    const graphs = makeGraphs(config, parts, options);
    weights.refuseUnexpected();
    return await stagedFolder(output, async (folder) => {
      const built = await writeParts(graphs, join(folder, 'onnx'), options);
      for (const [name, content] of await modelFiles(files, family, config, parts, built, made)) {
        await writeAtomically(join(folder, name), content);
      }
      const bytes = built.flatMap((part) => part.files).reduce((sum, file) => sum + file.bytes, 0);
      return { family: family.name, folder: output, parts: built, bytes };
    });
  } finally {
    opened.close();
    adapter?.close();
  }
}

async function openAdapter(given: string | CheckpointFiles | undefined): Promise<Adapter | undefined> {
  if (given === undefined) return undefined;
  return Adapter.open(typeof given === 'string' ? folderFiles(given, 'adapter_config.json') : given);
}

/** @throws {FastvError} for towers whose positions are not interpolated here */
function refuseOneSize({ name }: Family, config: Config): void {
  const tower = config.section('vision_config').text('model_type', 'clip_vision_model');
  if (name === 'llava' && tower === 'clip_vision_model') return;
  throw new FastvError('unsupported-decoder', `positions of ${name} with ${tower} cannot be interpolated`, {
    where: '--interpolate-positions',
    hint: "It is for LLaVA with CLIP's tower; Qwen2-VL's family takes any number of pixels as it is.",
  });
}

function makeGraphs(
  config: Config,
  parts: FamilyParts,
  { dtype = 'fp32', interpolatePositions = false }: BuildOptions,
): PartGraph[] {
  const make: Readonly<Record<PartName, ((g: PartGraph) => void) | undefined>> = {
    video_encoder: parts.video,
    vision_encoder: parts.vision,
    embed_tokens: (g) => {
      embedTokens(g, parts, imageIds(config));
    },
    decoder_model_merged: (g) => {
      decoder(g, parts.decoder);
    },
  };
  return PARTS.flatMap((name) => {
    if (make[name] === undefined) return [];
    const own = typeof dtype === 'string' ? dtype : (dtype[name] ?? 'fp32');
    const graph = new PartGraph(name, own, interpolatePositions);
    make[name](graph);
    return [graph];
  });
}

/** The ids that stand for images and videos. */
function imageIds(config: Config): number[] {
  return ['image_token_id', 'image_token_index', 'video_token_id', 'video_token_index']
    .filter((name) => config.has(name))
    .map((name) => config.int(name, undefined, 0));
}

/** input_ids [batch, sequence] to inputs_embeds [batch, sequence, hidden], with room for what DeepStack adds. */
function embedTokens(
  g: PartGraph,
  { decoder: { hidden, vocabulary, deepstack = 0 }, embeddings, embeddingScale }: FamilyParts,
  images: readonly number[],
): void {
  const { emit } = g;
  const axes = ['batch_size', 'sequence_length'];
  const ids = g.input('input_ids', DataType.INT64, axes);
  // a token of images may have no row: its features take that place
  const known = images
    .filter((id) => id >= vocabulary)
    .reduce((all, id) => emit.op('Where', [emit.op('Equal', [all, emit.int(id)]), emit.int(0), all]), ids);
  const rows = g.embedding(known, embeddings);
  const scaled = embeddingScale === undefined ? rows : emit.op('Mul', [rows, g.scalar(embeddingScale)]);
  let wide = g.toFloat32(scaled);
  if (deepstack > 0) {
    const pads = emit.ints(0, 0, 0, 0, 0, deepstack * hidden);
    wide = emit.op('Pad', [wide, pads]);
  }
  g.output('inputs_embeds', wide, DataType.FLOAT, [...axes, (1 + deepstack) * hidden]);
}

async function writeParts(
  graphs: readonly PartGraph[],
  folder: string,
  { onProgress, signal }: BuildOptions,
): Promise<BuiltPart[]> {
  await mkdir(folder);
  const total = graphs.reduce((sum, { weights }) => sum + weights, 0);
  const built: BuiltPart[] = [];
  let done = 0;
  for (const graph of graphs) {
    const data = new DataFiles(folder, graph.file);
    try {
      const model = await graph.write(data, () => {
        signal?.throwIfAborted();
        onProgress?.(done++, total, graph.name);
      });
      const chunks = encodeModel(model);
      const written = data.keep();
      await writeAtomically(join(folder, graph.file), chunks);
      const { name: part, dtype, quantized } = graph;
      const own = { name: graph.file, bytes: byteLength(chunks) };
      built.push({ part, dtype, files: [own, ...written], quantized });
    } finally {
      data.discard();
    }
  }
  onProgress?.(total, total, 'decoder_model_merged');
  return built;
}

/** @throws {FastvError} `unsupported-decoder` for GPTQ, AWQ, bitsandbytes and others */
function refuseQuantized(config: Config): void {
  const quantization = config.section('quantization_config');
  if (Object.keys(quantization.fields).length === 0) return;
  const method = quantization.text('quant_method', 'an unknown method');
  throw new FastvError('unsupported-decoder', `the checkpoint is quantised already (${method})`, {
    where: config.where,
    hint: 'Build from the original checkpoint: --dtype q8 or q4 quantises it.',
  });
}
