// The model, in a worker: Transformers.js with the plug. One thing at a time; whoever asks waits for the one before.
import {
  AutoConfig,
  AutoModelForImageTextToText,
  type PreTrainedModel,
  type ProgressInfo,
} from '@huggingface/transformers';
import { fastv, FastvError, type WithFastv } from '../../../src/browser.js';
import { ask, type Answer, type Asked } from '../../../src/runtime/ask.js';
import { clearCache, listCache } from '../../../src/runtime/browser-cache.js';
import type { Cached } from '../../../src/runtime/cached-model.js';
import { Conversation, type Message } from '../../../src/runtime/conversation.js';
import type { CallOptions } from '../../../src/runtime/options.js';
import { paperShape } from '../../../src/runtime/report.js';
import { attentionMaps, loadTapped, type TappedModel } from './attention.js';
import { allow, threads } from './environment.js';
import type { Answered, AttentionMaps, LoadedModel, LoadProgress, LoadRequest, Question } from './types.js';

interface Open {
  readonly key: string;
  readonly request: LoadRequest;
  readonly conversation: Conversation;
  readonly model: WithFastv<PreTrainedModel>;
  readonly info: LoadedModel;
  /** Whether it has answered: the first answer of a model finds neither memory nor kernels ready. */
  warm: boolean;
}

/** What the page can ask the worker for; everything is a promise on the other side. */
export class Engine {
  #open: Open | undefined;
  #tapped: { readonly key: string; readonly model: TappedModel } | undefined;
  #abort = new AbortController();

  /** Loads a model, or takes the one that is loaded. @param onProgress bytes so far */
  async load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): Promise<LoadedModel> {
    const key = JSON.stringify(request);
    if (this.#open?.key === key) return this.#open.info;
    await this.#close();
    const { model: name, device, dtype, strategy } = request;
    allow(name);
    const progress_callback = progressOf(onProgress);
    const conversation = await Conversation.load(name, { progress_callback });
    const config = (await AutoConfig.from_pretrained(name)) as unknown as Readonly<Record<string, unknown>>;
    const depth = paperShape(config)?.layers ?? 0;
    const layers = stagesOf(request.layers, depth);
    const warnings: string[] = [];
    const model: WithFastv<PreTrainedModel> = await fastv(AutoModelForImageTextToText, name, {
      device,
      dtype,
      strategy,
      layer: layers,
      ratio: layers.map(() => 0),
      onWarning: (message) => warnings.push(message),
      progress_callback,
    });
    const info = { depth, layers, cropsSquare: conversation.cropsSquare, threads: threads(), warnings };
    this.#open = { key, request, conversation, model, info, warm: false };
    return info;
  }

  /** Answers a question with the loaded model. @param onText called with the text so far */
  async ask(question: Question, onText: (text: string) => void): Promise<Answered> {
    const open = this.#loaded();
    const { conversation, model, info } = open;
    const { signal } = (this.#abort = new AbortController());
    const inputs = await conversation.inputs(messagesOf(question));
    const asked: Asked = { conversation, model, call: (options: CallOptions) => model.fastv.call(options) };
    const run = (
      ratios: readonly number[],
      maxNewTokens: number,
      tell?: (text: string) => void,
    ): Promise<Answer> =>
      ask(asked, inputs, {
        ratio: ratios,
        seed: question.seed,
        maxNewTokens,
        signal,
        ...(tell === undefined ? {} : { onText: tell }),
      });
    // or what is asked first, the original, would seem slower than it is
    if (!open.warm)
      await run(
        info.layers.map(() => 0),
        2,
      );
    open.warm = true;
    let text = '';
    const answer = await run(question.ratios, question.maxNewTokens, (piece) => {
      text += piece;
      onText(text);
    });
    // what a stage leaves is what the whole leaves where the later stages drop nothing
    const stages: Answered['stages'][number][] = [];
    for (const [stage, layer] of info.layers.entries()) {
      const last = stage === info.layers.length - 1;
      const ratios = question.ratios.map((ratio, i) => (i <= stage ? ratio : 0));
      const { report } = last ? answer : await run(ratios, 1);
      const [row] = report?.rows ?? [];
      const images = (row?.images ?? []).map(({ rows, columns, kept }) => ({
        rows,
        columns,
        kept: kept.map(({ index }) => index),
      }));
      stages.push({ layer, images });
    }
    return { ...answered(answer), stages };
  }

  /** Where the last token of a prompt looks, in every layer of the unpruned decoder. */
  async attention(question: Question): Promise<AttentionMaps> {
    const { request, conversation } = this.#loaded();
    const { model, device, dtype } = request;
    const key = JSON.stringify({ model, device, dtype });
    if (this.#tapped?.key !== key) {
      await this.#tapped?.model.close();
      this.#tapped = undefined;
      this.#tapped = { key, model: await loadTapped(request) };
    }
    return attentionMaps(this.#tapped.model, await conversation.inputs(messagesOf(question)));
  }

  /** Models of the hub that this browser keeps. */
  async kept(): Promise<readonly Cached[]> {
    return (await listCache()).filter(({ kind }) => kind === 'model');
  }

  /** Removes one of them. @returns those that are left */
  async forget(name: string): Promise<readonly Cached[]> {
    await clearCache(name);
    return this.kept();
  }

  /** Ends the answer that is being made. */
  abort(): void {
    this.#abort.abort(new DOMException('another question was asked', 'AbortError'));
  }

  #loaded(): Open {
    if (this.#open === undefined) throw new FastvError('invalid-input', 'no model is loaded');
    return this.#open;
  }

  async #close(): Promise<void> {
    const open = this.#open;
    const tapped = this.#tapped;
    this.#open = undefined;
    this.#tapped = undefined;
    await open?.model.dispose();
    await tapped?.model.close();
  }
}

function messagesOf({ text, pixels }: Question): Message[] {
  const { data, width, height } = pixels;
  const rgb = new Uint8ClampedArray(3 * width * height);
  for (let i = 0, at = 0; at < rgb.length; i += 4) {
    rgb[at++] = data[i] ?? 0;
    rgb[at++] = data[i + 1] ?? 0;
    rgb[at++] = data[i + 2] ?? 0;
  }
  return [{ role: 'user', text, images: [{ data: rgb, width, height }] }];
}

/** Bytes of all files, as they come in. */
function progressOf(tell: (progress: LoadProgress) => void): (event: ProgressInfo) => void {
  const files = new Map<string, LoadProgress>();
  return (event) => {
    if (event.status !== 'progress') return;
    files.set(event.file, { loaded: event.loaded, total: event.total });
    const sum = (of: keyof LoadProgress): number => [...files.values()].reduce((n, file) => n + file[of], 0);
    tell({ loaded: sum('loaded'), total: sum('total') });
  };
}

/** K of each stage: ascending, each at least 1 and below the decoder's depth. */
function stagesOf(layers: LoadRequest['layers'], depth: number): number[] {
  if (!('percentOfDepth' in layers)) return [...layers];
  const wanted = layers.percentOfDepth.map((percent) => Math.round((percent / 100) * depth));
  return [...new Set(wanted.map((layer) => Math.min(Math.max(1, layer), depth - 1)))];
}

function answered({
  text,
  tokens,
  ttftMs,
  prefillMs,
  tokensPerSecond,
  report,
}: Answer): Omit<Answered, 'stages'> {
  const [row] = report?.rows ?? [];
  return {
    text,
    tokens,
    ttft: ttftMs,
    vision: report?.ms.vision ?? 0,
    prefill: prefillMs,
    tokensPerSecond: tokensPerSecond ?? null,
    flopsRatio: report?.flopsRatio ?? null,
    kvBytes: report?.kvBytes ?? { pruned: 0, full: 0 },
    layerTokens: report?.layerTokens ?? [],
    imageTokens: row?.imageTokens ?? 0,
    keptImageTokens: row?.keptImageTokens ?? 0,
  };
}
