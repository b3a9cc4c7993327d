// Settings of the AI SDK as those of Transformers.js's `generate`; what that has no counterpart of is warned of.
import type { LanguageModelV3CallOptions, SharedV3Warning } from '@ai-sdk/provider';

/** The longest answer where the caller says nothing. */
export const DEFAULT_TOKENS = 512;

/** How to generate. */
export interface GenerationSettings {
  /** For `generate`. */
  readonly generate: Readonly<Record<string, unknown>> & { readonly max_new_tokens: number };
  readonly warnings: readonly SharedV3Warning[];
}

/** Settings of a call, and warnings of those that have no effect. */
export function settingsOfCall(options: LanguageModelV3CallOptions): GenerationSettings {
  const { temperature, topP, topK, maxOutputTokens = DEFAULT_TOKENS } = options;
  const warnings: SharedV3Warning[] = [];
  const ignored = (feature: string, details: string): void => {
    warnings.push({ type: 'unsupported', feature, details });
  };
  const greedy = temperature === 0;
  if (options.presencePenalty !== undefined && options.presencePenalty !== 0)
    ignored('presencePenalty', 'Transformers.js has a repetition_penalty only.');
  if (options.frequencyPenalty !== undefined && options.frequencyPenalty !== 0)
    ignored('frequencyPenalty', 'Transformers.js has a repetition_penalty only.');
  if (options.seed !== undefined && !greedy)
    ignored('seed', 'Transformers.js draws without a seed; temperature: 0 is deterministic.');
  if (options.responseFormat?.type === 'json')
    ignored('responseFormat', 'Nothing keeps the answer to JSON; fastv serve does.');
  if ((options.tools ?? []).length > 0) ignored('tools', 'The model is told of none.');
  if (greedy && (topP !== undefined || topK !== undefined))
    ignored(topP === undefined ? 'topK' : 'topP', 'temperature: 0 takes the likeliest token.');
  return {
    generate: {
      max_new_tokens: maxOutputTokens,
      // what is not said stays as the model's generation_config.json has it
      ...(temperature === undefined ? {} : { do_sample: !greedy, ...(greedy ? {} : { temperature }) }),
      ...(topP === undefined || greedy ? {} : { top_p: topP }),
      ...(topK === undefined || greedy ? {} : { top_k: topK }),
    },
    warnings,
  };
}
