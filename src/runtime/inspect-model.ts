// What a model would take and what pruning would save, before its weights are fetched: its configuration, its processor
// and the sizes of its files are all that is read. Transformers.js finds them as it would at a load: in a folder, in its
// cache, on the hub or wherever `env.remoteHost` says.
import { AutoConfig, ModelRegistry } from '@huggingface/transformers';
import { paperLayerCost, paperMeanCostOfLayers } from '../cost/paper.js';
import { checkStages, tokensOfLayers } from '../cost/stages.js';
import { FastvError } from '../errors.js';
import { Conversation } from './conversation.js';
import { hubOptions } from './hub-options.js';
import { imageTokenIds, imageTokenMask } from './image-tokens.js';
import { loadError } from './load-error.js';
import { optionsObject, unknownOption } from './option-names.js';
import { paperShape } from './report.js';
import { reasonOf } from './tell.js';

/**
 * What to inspect a model for.
 * @example
 * const options: InspectModelOptions = { picture: { width: 1920, height: 1080 }, ratio: 0.75 };
 */
export interface InspectModelOptions {
  /** Size of the picture that tokens are counted of, in pixels; default 1024 × 768. */
  readonly picture?: { readonly width: number; readonly height: number };
  /** The question beside it; default `What is this?`. */
  readonly question?: string;
  /** K; default 2. */
  readonly layer?: number;
  /** R in [0, 1]; default 0.5. */
  readonly ratio?: number;
  readonly revision?: string;
  readonly cache_dir?: string;
  readonly local_files_only?: boolean;
}

const OPTIONS = [
  ...['picture', 'question', 'layer', 'ratio'],
  ...['revision', 'cache_dir', 'local_files_only'],
] as const;

/**
 * What is known of a model before its weights are.
 * @example
 * const { bytes, imageTokens, flopsRatio }: ModelInspection = await inspectModel('HuggingFaceTB/SmolVLM-256M-Instruct');
 */
export interface ModelInspection {
  readonly name: string;
  /** `model_type` of its configuration. */
  readonly family: string;
  /**
   * Whether it has what the plug needs: a merged decoder in some dtype, and a token that stands for images. Whether the
   * decoder's graph is understood is known when it is loaded.
   */
  readonly prunable: boolean;
  /** Why not, if not. */
  readonly reason: string | undefined;
  /** Bytes of the ONNX files that a load fetches, external data included, by dtype. */
  readonly bytes: Readonly<Record<string, number>>;
  /** Layers of the decoder; undefined if the configuration does not say. */
  readonly layers: number | undefined;
  /** Tokens of the prompt, image tokens included; undefined without a processor. */
  readonly promptTokens: number | undefined;
  /** Tokens that the picture becomes. */
  readonly imageTokens: number | undefined;
  /** Image tokens that are left from layer K on. */
  readonly keptImageTokens: number | undefined;
  /** The paper's FLOPs of the prefill with pruning over those without; undefined if the configuration lacks the shape. */
  readonly flopsRatio: number | undefined;
  /** Entries of the KV cache after the prefill, with pruning over without. */
  readonly kvRatio: number | undefined;
}

/**
 * Looks at a model without fetching its weights: how large it is in each dtype, how many tokens a picture becomes, and
 * what a prune would save of the prefill. Its configuration and processor are read (some megabytes, which the load then
 * finds in the cache).
 * @param name a folder, or a name on the Hugging Face hub
 * @throws {FastvError} `io` for a model that is nowhere or cannot be reached; `invalid-option`
 * @example
 * const { bytes, imageTokens, flopsRatio } = await inspectModel('HuggingFaceTB/SmolVLM-256M-Instruct', { ratio: 0.75 });
 * console.log(`q4: ${bytes.q4} bytes; a photo is ${imageTokens} tokens; R = 75 % leaves ${flopsRatio} of the FLOPs`);
 */
export async function inspectModel(
  name: string,
  options: InspectModelOptions = {},
): Promise<ModelInspection> {
  for (const option of Object.keys(optionsObject(options, 'options', '{ ratio: 0.75 }')))
    if (!OPTIONS.some((own) => own === option))
      throw unknownOption(option, { where: 'options', known: OPTIONS });
  const {
    picture = { width: 1024, height: 768 },
    question = 'What is this?',
    layer = 2,
    ratio = 0.5,
  } = options;
  checkPicture(picture);
  const loading = hubOptions({ ...options });
  const failed = (cause: unknown): never => {
    throw loadError(cause, name);
  };
  const config = await AutoConfig.from_pretrained(name, loading).catch(failed);
  const settings = config as unknown as Readonly<Record<string, unknown>>;
  const shape = paperShape(settings);
  if (shape !== undefined) checkStages([{ layer, ratio }], shape.layers);

  const bytes = await bytesByDtype(name, config, loading).catch(failed);
  const tokens = await tokensOf(name, settings, { picture, question }, loading);
  const reason =
    Object.keys(bytes).length === 0
      ? 'it has no decoder_model_merged with all other parts in one dtype'
      : typeof tokens === 'string'
        ? tokens
        : undefined;
  const found = typeof tokens === 'string' ? undefined : tokens;
  const known = {
    ...{ name, family: typeof settings['model_type'] === 'string' ? settings['model_type'] : 'unknown' },
    ...{ prunable: reason === undefined, reason, bytes, layers: shape?.layers },
    ...{ promptTokens: found?.prompt, imageTokens: found?.image },
  };
  if (shape === undefined || found === undefined)
    return { ...known, keptImageTokens: undefined, flopsRatio: undefined, kvRatio: undefined };
  const seen = tokensOfLayers(shape.layers, { text: found.prompt - found.image, image: found.image }, [
    { layer, ratio },
  ]);
  const totals = seen.map(({ total }) => total);
  return {
    ...known,
    keptImageTokens: seen.at(-1)?.image,
    flopsRatio: paperMeanCostOfLayers(shape, totals) / paperLayerCost(found.prompt, shape),
    kvRatio: totals.reduce((a, b) => a + b, 0) / (found.prompt * shape.layers),
  };
}

/** Pixels of a picture whose tokens are counted. */
const MOST_PIXELS = 1e8;

function checkPicture({ width, height }: { readonly width: number; readonly height: number }): void {
  if ([width, height].every((side) => Number.isInteger(side) && side > 0) && width * height <= MOST_PIXELS)
    return;
  throw new FastvError('invalid-option', `${width} x ${height} is no size of a picture`, {
    where: 'picture',
    hint: `Give whole numbers of pixels, for example { width: 1024, height: 768 }; at most ${MOST_PIXELS} in all.`,
  });
}

type Config = Awaited<ReturnType<typeof AutoConfig.from_pretrained>>;
type Dtype = NonNullable<NonNullable<Parameters<typeof ModelRegistry.get_model_files>[1]>['dtype']>;

/** Of the dtypes that all parts have, in one dtype each; none where there is no merged decoder. */
async function bytesByDtype(
  name: string,
  config: Config,
  loading: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, number>>> {
  const sizes: Record<string, number> = {};
  for (const dtype of await ModelRegistry.get_available_dtypes(name, { config, ...loading })) {
    const files = (await ModelRegistry.get_model_files(name, { config, dtype: dtype as Dtype })).filter(
      (file) => /\.onnx(?:_data(?:_\d+)?)?$/u.test(file),
    );
    if (!files.some((file) => file.includes('decoder_model_merged'))) continue;
    const about = await Promise.all(
      files.map((file) => ModelRegistry.get_file_metadata(name, file, loading)),
    );
    // a data file that is not there would fail the load
    if (about.every(({ exists }) => exists))
      sizes[dtype] = about.reduce((sum, one) => sum + sizeOf(one, name), 0);
  }
  return sizes;
}

/** Of a file that is asked for its first byte alone: a server that does not say of how many tells the one byte's length. */
function sizeOf({ size }: { readonly size?: number }, name: string): number {
  if (size !== undefined && size > 1) return size;
  throw new FastvError('io', 'the hub does not say how large its files are', {
    where: name,
    hint: 'Whatever is between must let Content-Range through (and, for pages, expose it).',
  });
}

/** Tokens of a prompt with a picture, or why they cannot be told. */
async function tokensOf(
  name: string,
  config: Readonly<Record<string, unknown>>,
  { picture, question }: Required<Pick<InspectModelOptions, 'picture' | 'question'>>,
  loading: Record<string, unknown>,
): Promise<{ readonly prompt: number; readonly image: number } | string> {
  try {
    const ids = imageTokenIds(config);
    const conversation = await Conversation.load(name, loading);
    const { width, height } = picture;
    const grey = { data: new Uint8ClampedArray(3 * width * height).fill(128), width, height };
    const { input_ids: prompt } = await conversation.inputs([
      { role: 'user', text: question, images: [grey] },
    ]);
    const mask = imageTokenMask(prompt, ids);
    return { prompt: mask.length, image: mask.reduce((sum, one) => sum + one, 0) };
  } catch (error) {
    return reasonOf(error);
  }
}
