// A family: what turns a checkpoint of one `model_type` into the three parts of a model. One declarative file each.
import { Config } from '../checkpoint/config.js';
import type { CheckpointFiles } from '../checkpoint/files.js';
import type { PartGraph } from '../part.js';
import type { DecoderSpec } from '../parts/decoders/decoder.js';
import type { DecoderWeights } from '../parts/decoders/llama.js';
import type { Source } from '../source.js';
import type { Weights } from '../weights.js';

/** JSON objects that the model's folder gets. */
export type Json = Readonly<Record<string, unknown>>;

/** The parts of a model, ready to be written. */
export interface FamilyParts {
  readonly decoder: DecoderSpec;
  /** The embedding's rows: [vocabulary, hidden]. */
  readonly embeddings: Source;
  /** What embeddings are multiplied with. */
  readonly embeddingScale?: number;
  /** Writes the vision encoder: from pixel_values and what belongs to them to image_features. */
  readonly vision: (g: PartGraph) => void;
  /** The same for frames of a video, where a family has an encoder of its own for them. */
  readonly video?: (g: PartGraph) => void;
}

/** A family of models. */
export interface Family {
  /** How `fastv build` and docs/build.md call it. */
  readonly name: string;
  /** `model_type` of its config.json. */
  readonly modelTypes: readonly string[];
  /** Its parts, of weights that are all looked up here. @throws {FastvError} */
  readonly parts: (config: Config, weights: Weights) => FamilyParts;
  /** What Transformers.js needs in config.json besides, or instead. */
  readonly config?: (config: Config, parts: FamilyParts) => Json;
  /** The processor's configuration, made of the checkpoint's own. */
  readonly processor?: (config: Config, own: Json) => Json;
  /** The image processor's configuration, likewise. */
  readonly preprocessor?: (config: Config, own: Json) => Json;
  /** Files that are made in the place of the checkpoint's, by their names: their fields are added to its own. */
  readonly files?: (config: Config, files: CheckpointFiles) => Promise<Readonly<Record<string, Json>>>;
}

/** The configuration of the decoder: a section, with older files the whole, or nothing but the class's defaults. */
export function textConfig(config: Config): Config {
  return config.has('text_config') || !config.has('num_hidden_layers')
    ? config.section('text_config')
    : config;
}

/** The tower's configuration, or where the file has none what the family's class takes then. */
export function visionConfig(config: Config, absent: Json): Config {
  return config.has('vision_config')
    ? config.section('vision_config')
    : new Config(absent, `${config.where}, vision_config`);
}

/** CLIP ViT-L/14, which the classes of the LLaVA family take where a file has no `vision_config`. */
export const CLIP_LARGE: Json = {
  model_type: 'clip_vision_model',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 336,
  patch_size: 14,
};

/** Where the decoder's weights are, in the published layouts and in those that transformers saves since 4.52. */
export function languageModel(
  config: Config,
  weights: Weights,
  {
    model = ['language_model.model.', 'model.language_model.'],
    head = ['language_model.', ''],
    tied = false,
  }: { readonly model?: readonly string[]; readonly head?: readonly string[]; readonly tied?: boolean } = {},
): DecoderWeights {
  weights.ignore(/\.rotary_emb\.inv_freq$/u);
  const scope = weights.under(...head);
  const flags = [config, textConfig(config)].filter((one) => one.has('tie_word_embeddings'));
  const [first] = flags.map((one) => one.flag('tie_word_embeddings', tied));
  const some = flags.some((one) => one.flag('tie_word_embeddings', tied));
  // where only one of two places says that they are tied, the weights decide
  const has = scope.has('lm_head.weight');
  const isTied = has ? (first ?? tied) : some || flags.length === 0;
  return { model: weights.under(...model), head: scope, tied: isTied };
}

/** Gemma's decoder and embeddings, which are multiplied with the root of their width. */
export function gemmaLanguage(
  decoder: DecoderSpec,
  { model }: DecoderWeights,
): Pick<FamilyParts, 'decoder' | 'embeddings' | 'embeddingScale'> {
  const { vocabulary, hidden } = decoder;
  return {
    decoder,
    embeddings: model.get('embed_tokens.weight', vocabulary, hidden),
    embeddingScale: Math.sqrt(hidden),
  };
}

/**
 * The decoder's measures as Transformers.js and the plug read them; the file may leave them to its class.
 * @param own what the file has of them
 */
export function textFields(own: Json, modelType: string, spec: DecoderSpec): Json {
  return {
    hidden_size: spec.hidden,
    num_hidden_layers: spec.layers,
    num_attention_heads: spec.heads,
    num_key_value_heads: spec.kvHeads,
    head_dim: spec.headSize,
    vocab_size: spec.vocabulary,
    ...own,
    model_type: modelType,
  };
}

/** config.json with a complete text_config. */
export function withTextConfig(config: Config, modelType: string, spec: DecoderSpec): Json {
  const own = config.section('text_config').fields;
  return { ...config.fields, text_config: textFields(own, modelType, spec) };
}

/**
 * Transformers.js's LLaVA, which runs a family that it has no class for: src/runtime brings what that one does otherwise,
 * and `architectures` still says what the model is.
 */
export function asLlava(config: Config): Json {
  const { image_token_index: index, image_token_id: id } = config.fields;
  return { model_type: 'llava', image_token_index: index ?? id };
}
