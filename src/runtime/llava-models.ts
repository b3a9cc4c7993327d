// What Transformers.js 4.3 has no class for, in a model of its LlavaForConditionalGeneration, which `fastv build` says that
// these are: LLaVA-NeXT's and LLaVA-OneVision's pictures in tiles, Mistral 3's of several sizes, Video-LLaVA's videos,
// and Qwen-VL-Chat's pictures between tags. What a model has says what it needs: no family is known here by its name.
import { FastvError } from '../errors.js';
import { anyresOf, tileGrid } from './pictures/anyres.js';
import { asksForSizes, hasVideoEncoder, tagsOf, takesAnySize } from './llava-needs.js';
import { wrapRun, type Run, type Tensors } from './session.js';
import {
  isHfTensor,
  isRecord,
  like,
  ortTensorLike,
  type ForwardInputs,
  type HfModel,
  type HfTensor,
  type OrtTensor,
} from './transformers.js';

/** A part's session, loaded with the options of the whole. */
type LoadPart = (part: string) => Promise<HfModel['sessions'][string]>;

/** The methods of Transformers.js's LLaVA that are replaced. */
interface Llava extends HfModel {
  encode_image(inputs: ForwardInputs): Promise<HfTensor | undefined>;
  _encode_input(session: string, inputs: ForwardInputs, output: string): Promise<HfTensor | undefined>;
  _merge_input_ids_with_image_features(inputs: Merged): Merged;
}

interface Merged {
  inputs_embeds: HfTensor;
  image_features: HfTensor;
  input_ids: HfTensor;
  attention_mask: HfTensor;
}

/**
 * Gives a model that was loaded what its family needs besides (`llava-needs.ts` says which models have such needs).
 * @param name its folder or name on the hub
 * @param options those that it was loaded with
 */
export async function completeModel(
  model: HfModel,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  takeTiles(model);
  takeSizes(model as Llava);
  takeTags(model);
  await takeVideos(model as Llava, async (part) => {
    const loaded = await baseClass(model)?.from_pretrained(name, {
      ...options,
      config: model.config,
      model_file_name: part,
    });
    const session = loaded?.sessions['model'];
    if (session !== undefined) return session;
    throw new FastvError('io', `the model has no ${part}`, { where: name });
  });
}

/** Transformers.js's base class, which loads any one file: of the copy that a model is of, since nothing is imported here. */
function baseClass(
  model: HfModel,
): { from_pretrained(name: string, options: unknown): Promise<HfModel> } | undefined {
  for (let at: unknown = model; isRecord(at); at = Object.getPrototypeOf(at)) {
    const { constructor } = at;
    if (isRecord(constructor) && Object.hasOwn(constructor, 'from_pretrained')) return constructor as never;
  }
  return undefined;
}

/** A vision encoder that asks for image_sizes takes one picture at a time: its tiles, without empty ones. */
function takeTiles(model: HfModel): void {
  const { vision_encoder: session } = model.sessions;
  const anyres = anyresOf(model.config);
  if (session === undefined || !asksForSizes(session) || anyres === undefined) return;
  model.forward_params.push('image_sizes');
  const tilesOf = (height: number, width: number): number => {
    const { rows, columns } = tileGrid(height, width, anyres);
    return 1 + rows * columns;
  };
  model.sessions['vision_encoder'] = wrapRun(session, (run) => onePictureAtATime(run, tilesOf));
}

function onePictureAtATime(run: Run, tilesOf: (height: number, width: number) => number): Run {
  return async (feeds, ...rest) => {
    const { pixel_values: pixels, image_sizes: sizes } = feeds;
    if (pixels === undefined || sizes === undefined) return run(feeds, ...rest);
    const [pictures = 0, tiles = 0, ...tile] = pixels.dims;
    const all = [...(sizes.data as BigInt64Array)].map(Number);
    if (all.length !== 2 * pictures) {
      throw new FastvError('invalid-input', `${pictures} pictures have ${all.length / 2} sizes`, {
        where: 'image_sizes',
      });
    }
    const size = tile.reduce((a, b) => a * b, 1);
    const features: OrtTensor[] = [];
    for (let i = 0; i < pictures; i++) {
      const [height = 0, width = 0] = all.slice(2 * i);
      const own = Math.min(tilesOf(height, width), tiles);
      const data = (pixels.data as Float32Array).subarray(i * tiles * size, (i * tiles + own) * size);
      const { image_features: found } = await run(
        {
          pixel_values: tensor(pixels, data, [1, own, ...tile]),
          image_sizes: tensor(sizes, BigInt64Array.of(BigInt(height), BigInt(width)), [1, 2]),
        },
        ...rest,
      );
      if (found !== undefined) features.push(found);
    }
    return { image_features: joined(features) };
  };
}

/**
 * A vision encoder that takes pictures of any one size (Mistral 3's) gets those of several sizes one by one, without what
 * fills them up.
 */
function takeSizes(model: Llava): void {
  const { vision_encoder: session } = model.sessions;
  if (session === undefined || !takesAnySize(session)) return;
  const sizesOf = new WeakMap<OrtTensor, readonly number[]>();
  model.forward_params.push('image_sizes');
  const encode = model.encode_image.bind(model);
  Object.assign(model, {
    encode_image: (inputs: ForwardInputs): Promise<HfTensor | undefined> => {
      const { pixel_values: all, image_sizes: sizes } = inputs;
      if (all && isHfTensor(sizes)) sizesOf.set(all.ort_tensor, Array.from(sizes.data, Number));
      return encode(inputs);
    },
  });
  model.sessions['vision_encoder'] = wrapRun(session, (run) => async (feeds, ...rest) => {
    const { pixel_values: all } = feeds;
    const sizes = all === undefined ? undefined : sizesOf.get(all);
    const [, , height, width] = all?.dims ?? [];
    const whole = sizes?.every((length, i) => length === (i % 2 === 0 ? height : width));
    if (all === undefined || sizes === undefined || whole === true) return run(feeds, ...rest);
    const features: OrtTensor[] = [];
    for (const pixel_values of apart(all, sizes)) {
      const { image_features: found } = await run({ pixel_values }, ...rest);
      if (found !== undefined) features.push(found);
    }
    return { image_features: joined(features) };
  });
}

/** Pictures [1, channels, height, width], each without what fills it up. @throws {FastvError} `invalid-input` */
function apart(all: OrtTensor, sizes: readonly number[]): OrtTensor[] {
  const [count = 0, channels = 0, rows = 0, columns = 0] = all.dims;
  const data = all.data as Float32Array;
  return Array.from({ length: count }, (_, i) => {
    const [height = 0, width = 0] = sizes.slice(2 * i);
    if (height < 1 || height > rows || width < 1 || width > columns) {
      throw new FastvError(
        'invalid-input',
        `a picture of ${height} × ${width} in ${rows} × ${columns} pixels`,
        {
          where: 'image_sizes',
        },
      );
    }
    const own = new Float32Array(channels * height * width);
    for (let row = 0; row < channels * height; row++) {
      const from = ((i * channels + Math.floor(row / height)) * rows + (row % height)) * columns;
      own.set(data.subarray(from, from + width), row * width);
    }
    return tensor(all, own, [1, channels, height, width]);
  });
}

/** Rows of several tensors, one behind the other. */
function joined(tensors: readonly OrtTensor[]): OrtTensor {
  const [first] = tensors;
  if (first === undefined)
    throw new FastvError('invalid-input', 'there is no picture', { where: 'pixel_values' });
  const [, width = 0] = first.dims;
  const rows = tensors.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0);
  const data = new Float32Array(rows * width);
  let at = 0;
  for (const { data: own } of tensors) {
    data.set(own as Float32Array, at);
    at += own.length;
  }
  return tensor(first, data, [rows, width]);
}

/** A tensor of the kind of another. */
function tensor(like: OrtTensor, data: Float32Array | BigInt64Array, dims: readonly number[]): OrtTensor {
  return ortTensorLike(like, like.type, data, dims);
}

/** Qwen-VL-Chat's own processor writes a picture's path between its tags: whatever stands there is image tokens. */
function takeTags(model: HfModel): void {
  const tags = tagsOf(model.config);
  if (tags === undefined) return;
  const { start, end, image } = tags;
  const prepare = model.prepare_inputs_for_generation.bind(model);
  Object.assign(model, {
    prepare_inputs_for_generation: (all: unknown, inputs: ForwardInputs, config: unknown): ForwardInputs => {
      const prepared = prepare(all, inputs, config);
      const { input_ids: tokens } = prepared;
      if (!isHfTensor(tokens)) return prepared;
      const ids = retagged(tokens.data as BigInt64Array, BigInt(start), BigInt(end), BigInt(image));
      return { ...prepared, input_ids: like(tokens, ids) };
    },
  });
}

/** The ids, with an image token in the place of every one between an opening and a closing tag. */
function retagged(given: BigInt64Array, start: bigint, end: bigint, image: bigint): BigInt64Array {
  const ids = given.slice();
  let opened = -1;
  given.forEach((id, at) => {
    if (id === start) opened = at;
    if (id !== end || opened < 0) return;
    ids.fill(image, opened + 1, at);
    opened = -1;
  });
  return ids;
}

/** Videos have an encoder and a token of their own. */
async function takeVideos(model: Llava, load: LoadPart): Promise<void> {
  const { config } = model;
  const { image_token_index: image, video_token_index: video } = config;
  if (!hasVideoEncoder(config) || typeof image !== 'number' || typeof video !== 'number') return;
  const session = await load('video_encoder');
  model.sessions['video_encoder'] = wrapRun(
    session,
    (run) =>
      (feeds, ...rest) =>
        run(asFrames(feeds), ...rest),
  );
  model.forward_params.push('pixel_values_videos');
  const [forward, encode] = [model.forward.bind(model), model.encode_image.bind(model)];
  const encoded = new WeakMap<object, readonly (readonly [token: number, HfTensor])[]>();
  Object.assign(model, {
    forward: (inputs: ForwardInputs): Promise<unknown> => {
      const { pixel_values: pixels, pixel_values_videos: videos, input_ids: ids } = inputs;
      const prefill = isHfTensor(ids) && (ids.dims[1] ?? 0) > 1;
      // Transformers.js looks for pixel_values alone
      return prefill && !pixels && isHfTensor(videos)
        ? forward({ ...inputs, pixel_values: videos })
        : forward(inputs);
    },
    encode_image: async (inputs: ForwardInputs): Promise<HfTensor | undefined> => {
      const { pixel_values: pixels, pixel_values_videos: videos } = inputs;
      const images = pixels && pixels !== videos ? await encode({ pixel_values: pixels }) : undefined;
      const frames = isHfTensor(videos)
        ? await model._encode_input('video_encoder', { pixel_values: videos }, 'image_features')
        : undefined;
      const all = [[image, images] as const, [video, frames] as const].flatMap(([token, features]) =>
        features === undefined ? [] : [[token, features] as const],
      );
      const [first] = all;
      if (first !== undefined) encoded.set(first[1], all);
      return first?.[1];
    },
    _merge_input_ids_with_image_features: (inputs: Merged): Merged => {
      for (const [token, features] of encoded.get(inputs.image_features) ?? [])
        place(inputs, token, features);
      return inputs;
    },
  });
}

/** [videos, frames, 3, side, side] as [frames, 3, side, side]. */
function asFrames(feeds: Tensors): Tensors {
  const { pixel_values: pixels } = feeds;
  if (pixels?.dims.length !== 5) return feeds;
  const [videos = 0, frames = 0, ...rest] = pixels.dims;
  return { pixel_values: tensor(pixels, pixels.data as Float32Array, [videos * frames, ...rest]) };
}

/** Features go where their token is. @throws {FastvError} `invalid-input` if there are more or fewer */
function place({ inputs_embeds: embeds, input_ids: ids }: Merged, token: number, features: HfTensor): void {
  const width = embeds.dims[2] ?? 0;
  const [to, from] = [embeds.data, features.data] as [Float32Array, Float32Array];
  const places = Array.from(ids.data, Number).flatMap((id, at) => (id === token ? [at] : []));
  if (places.length * width !== from.length) {
    throw new FastvError(
      'invalid-input',
      `the prompt has ${places.length} tokens for ${from.length / width} features`,
      { where: 'input_ids', hint: 'Make the inputs with the model’s own processor.' },
    );
  }
  places.forEach((at, row) => {
    to.set(from.subarray(row * width, (row + 1) * width), at * width);
  });
}
