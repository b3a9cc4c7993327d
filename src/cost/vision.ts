// The cost of a vision encoder, from the model's configuration: what a resolution costs before the decoder sees anything of it.
//
// Counted as `exact.ts` counts: matrix products with dense attention, in MACs. Known are CLIP's tower behind LLaVA's projector
// (arXiv 2103.00020, 2310.03744) and Qwen2-VL's (arXiv 2409.12191); of any other nothing is said, rather than something wrong.

type Config = Readonly<Record<string, unknown>>;

/** A vision encoder's matrices. */
export interface VisionShape {
  readonly layers: number;
  readonly hidden: number;
  readonly mlp: number;
  /** Values of a patch: channels · frames · pixels. */
  readonly patchValues: number;
  /** Tokens besides the patches: the class token. */
  readonly extraTokens: number;
  /** Weights that a patch meets in the connector. */
  readonly connector: number;
}

/**
 * The shape of a model's vision encoder.
 * @param config as in `config.json`
 * @returns undefined for an encoder that is not known
 * @example
 * const shape = visionShape(JSON.parse(await readFile('model/config.json', 'utf8')));
 */
export function visionShape(config: Config): VisionShape | undefined {
  const vision = partOf(config, 'vision_config');
  const text = partOf(config, 'text_config');
  if (config['model_type'] === 'llava' && vision['model_type'] === 'clip_vision_model') {
    const [depth, hidden, mlp, patch, width] = [
      ...['num_hidden_layers', 'hidden_size', 'intermediate_size', 'patch_size'].map((name) => vision[name]),
      text['hidden_size'],
    ].map(count);
    const layer = config['vision_feature_layer'] ?? -2;
    if (!depth || !hidden || !mlp || !patch || !width || typeof layer !== 'number') return undefined;
    return {
      // -1 is what the last layer gives; exports end at the layer that is asked for
      layers: layer < 0 ? depth + 1 + layer : layer,
      ...{ hidden, mlp, extraTokens: 1 },
      patchValues: 3 * patch ** 2,
      connector: hidden * width + width ** 2,
    };
  }
  if (config['model_type'] === 'qwen2_vl') {
    const [layers, hidden, patch, ratio, merge, frames, width] = [
      ...['depth', 'embed_dim', 'patch_size'].map((name) => vision[name]),
      vision['mlp_ratio'] ?? 4,
      vision['spatial_merge_size'] ?? 2,
      vision['temporal_patch_size'] ?? 2,
      vision['hidden_size'],
    ].map(count);
    if (!layers || !hidden || !patch || !ratio || !merge || !frames || !width) return undefined;
    const joined = hidden * merge ** 2;
    return {
      ...{ layers, hidden, mlp: hidden * ratio, extraTokens: 0 },
      patchValues: 3 * frames * patch ** 2,
      // merge² patches go through it as one
      connector: (joined ** 2 + joined * width) / merge ** 2,
    };
  }
  return undefined;
}

/**
 * MACs of encoding images.
 * @param patches of each image
 * @example
 * flops(visionMacs(shape, [24 * 24])); // one picture of 336 pixels, patches of 14
 */
export function visionMacs(shape: VisionShape, patches: readonly number[]): number {
  const { layers, hidden, mlp, patchValues, extraTokens, connector } = shape;
  let macs = 0;
  for (const n of patches) {
    const tokens = n + extraTokens;
    macs += n * (patchValues * hidden + connector);
    macs += layers * (tokens * (4 * hidden ** 2 + 2 * hidden * mlp) + 2 * tokens ** 2 * hidden);
  }
  return macs;
}

function partOf(config: Config, name: string): Config {
  const part = config[name];
  return typeof part === 'object' && part !== null ? (part as Config) : {};
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
}
