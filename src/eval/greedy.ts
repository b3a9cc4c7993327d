/** Greedy answers of one model to a batch of prompts of one length, with what they took. */
import { StoppingCriteria, type PreTrainedTokenizer, type Tensor } from '@huggingface/transformers';
import type { ModelInputs } from '../runtime/conversation.js';
import { GREEDY } from '../runtime/greedy.js';
import type { HfModel } from '../runtime/transformers.js';

/** What one row said. */
export interface Reply {
  readonly text: string;
  /** Generated tokens, the one that ends the reply included. */
  readonly tokens: number;
}

/**
 * Generates without sampling, whatever the model's own settings are: equal questions get equal answers.
 * @param inputs `[batch, length]`, without padding
 * @param call the plug's options, where it is in
 */
export async function greedyReplies(
  model: HfModel,
  tokenizer: PreTrainedTokenizer,
  inputs: ModelInputs,
  maxTokens: number,
  call: Readonly<Record<string, unknown>>,
): Promise<Reply[]> {
  const prompt = inputs.input_ids.dims[1] ?? 0;
  const ends = endIds(model);
  const sequences = (await model.generate({
    ...inputs,
    max_new_tokens: maxTokens,
    ...GREEDY,
    stopping_criteria: new EveryRowEnded(prompt, ends),
    ...call,
  })) as Tensor;
  const [batch = 0, length = 0] = sequences.dims;
  const ids = sequences.data as BigInt64Array;
  return Array.from({ length: batch }, (_, row) => {
    const said = Array.from(ids.subarray(row * length + prompt, (row + 1) * length));
    // rows that are through go on until the last one is: what they say then does not count
    const end = said.findIndex((id) => ends.has(id));
    const own = end === -1 ? said : said.slice(0, end + 1);
    const text = tokenizer.decode(own.map(Number), { skip_special_tokens: true }).trim();
    return { text, tokens: own.length };
  });
}

/** Ends a batch when each row has ended at some time; Transformers.js 4.3 waits until all end at the same step. */
class EveryRowEnded extends StoppingCriteria {
  readonly #prompt: number;
  readonly #ends: ReadonlySet<bigint>;

  constructor(prompt: number, ends: ReadonlySet<bigint>) {
    super();
    this.#prompt = prompt;
    this.#ends = ends;
  }

  override _call(rows: number[][]): boolean[] {
    return rows.map((ids) => ids.slice(this.#prompt).some((id) => this.#ends.has(BigInt(id))));
  }
}

/** The tokens at which `generate` ends a reply; what is read goes from general to particular, as it does it. */
function endIds(model: HfModel): ReadonlySet<bigint> {
  const { config } = model;
  const own = (model as unknown as { generation_config?: unknown }).generation_config;
  let ends: unknown;
  for (const part of [config, config['text_config'], own]) {
    if (typeof part !== 'object' || part === null) continue;
    const { eos_token_id: found } = part as { eos_token_id?: unknown };
    if (found !== undefined && found !== null) ends = found;
  }
  const list: unknown[] = Array.isArray(ends) ? ends : [ends];
  return new Set(list.filter((id) => typeof id === 'number').map(BigInt));
}
