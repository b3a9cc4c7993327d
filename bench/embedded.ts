// The bundled model end to end, through Transformers.js with the plug: vision encoder, prefill, decoding.
import { resolve } from 'node:path';
import { measure, type Contender } from '../src/bench/in-turns.js';
import { openModel } from '../src/runtime/model.js';
import { Conversation } from '../src/runtime/conversation.js';
import { makeItem } from '../src/scenes/dataset.js';
import type { Family } from '../src/scenes/question.js';
import { renderScene } from '../src/scenes/render.js';
import { IMAGE_SIZE } from '../src/scenes/scene.js';
import { printTable } from './print.js';
import { sceneAtlas } from './scene-files.js';

export interface EmbeddedOptions {
  /** The model's folder. */
  readonly model: string;
  readonly dtypes: readonly string[];
  /** K. */
  readonly layer: number;
  readonly ratios: readonly number[];
  readonly rounds: number;
  /** Tokens of every answer, so that all decode alike. */
  readonly newTokens: number;
}

/** One picture, and the two inputs that have more image tokens. */
const INPUTS: readonly { readonly title: string; readonly family: Family }[] = [
  { title: 'one picture', family: 'existence' },
  { title: 'several pictures', family: 'multi-image' },
  { title: 'a short video', family: 'video-direction' },
];

/** Prints a table an input; the variants of all dtypes take turns. */
export async function benchEmbedded(options: EmbeddedOptions): Promise<void> {
  const { dtypes, layer, ratios, rounds, newTokens } = options;
  const name = resolve(options.model);
  const conversation = await Conversation.load(name);
  const contenders: (Contender & { readonly dtype: string })[] = [];
  for (const dtype of dtypes) {
    const loading = { dtype };
    const plug = { layer, cache: false, onWarning: () => undefined };
    const pruned = await openModel(name, { loading, conversation, fastv: plug });
    contenders.push({ dtype, model: await openModel(name, { loading, conversation }) });
    for (const ratio of ratios) contenders.push({ dtype, ratio, model: pruned });
  }
  const atlas = sceneAtlas();
  for (const { title, family } of INPUTS) {
    const { question, scenes } = makeItem('test', family, 0, atlas);
    const images = scenes.map((scene) => {
      const data = new Uint8ClampedArray(renderScene(scene, atlas));
      return { data, width: IMAGE_SIZE, height: IMAGE_SIZE };
    });
    const inputs = await conversation.inputs([{ role: 'user', text: question, images }]);
    const measured = await measure(
      contenders,
      { ...inputs, min_new_tokens: newTokens },
      { maxNewTokens: newTokens, repeat: rounds },
    );
    const [{ report } = { report: undefined }] = measured.filter((result) => result.report !== undefined);
    const imageTokens = report?.rows.reduce((sum, row) => sum + row.imageTokens, 0) ?? 0;
    const all = inputs.input_ids.dims[1] ?? 0;
    console.log(
      `### ${title}: ${imageTokens} image + ${all - imageTokens} other tokens, K=${layer}, ${newTokens} tokens generated\n`,
    );
    let original = measured[0];
    printTable(
      ['', 'first token ms', 'of it prefill', 'tokens/s', 'first token', 'prefill', 'tokens/s'],
      measured.map((result, i) => {
        const { dtype = '', ratio } = contenders[i] ?? {};
        if (ratio === undefined) original = result;
        const times = (before = 0, after = 0): string =>
          ratio === undefined ? '' : `${(before / after).toFixed(2)}x`;
        return [
          `${dtype}, ${ratio === undefined ? 'original' : `R=${ratio}`}`,
          result.ttftMs.toFixed(1),
          result.prefillMs.toFixed(1),
          result.tokensPerSecond?.toFixed(1) ?? '',
          times(original?.ttftMs, result.ttftMs),
          times(original?.prefillMs, result.prefillMs),
          times(result.tokensPerSecond, original?.tokensPerSecond),
        ];
      }),
    );
  }
  for (const model of new Set(contenders.map((contender) => contender.model))) await model.close();
}
