// Answers that are JSON by construction: of each next token, only those that the grammar allows. The grammar is made and
// followed by XGrammar (Dong et al., arXiv 2411.15100), compiled to WebAssembly, in a process of its own.
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { abortable } from '../runtime/abort.js';
import type { Constraint } from './engine/engine.js';
import {
  GrammarProcess,
  type GrammarSource,
  type SchemaToFollow,
  type Vocabulary,
} from './grammar-process.js';
import { CALL_END, CALL_START, callHead, type ToolUse } from './tools.js';

/** Grammars that there are at once: each is a process with the vocabulary in it, some 100 MB for 150,000 tokens. */
const MOST_GRAMMARS = 4;

/** JSON objects of any kind. */
const ANY_OBJECT = { type: 'object', additionalProperties: true };

/** What a grammar is made for. */
export interface GrammarUse {
  /** The field of the schema, for errors. */
  readonly param: string;
  readonly signal: AbortSignal;
  /** Adds what is to be called when the grammar is not needed any more. */
  readonly until: (end: () => void) => void;
}

interface Kept {
  readonly grammar: GrammarProcess;
  users: number;
}

/** Grammars for the vocabulary of one model. */
export class Grammars {
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #size: number;
  readonly #endTokens: ReadonlySet<number>;
  readonly #most: number;
  /** By their sources, the least recently used first. */
  readonly #kept = new Map<string, Kept>();
  /** Those who wait for one that nobody uses. */
  #waiting: (() => void)[] = [];
  #vocabulary: Vocabulary | undefined;

  constructor(
    tokenizer: PreTrainedTokenizer,
    vocabulary: number,
    endTokens: ReadonlySet<number>,
    most: number = MOST_GRAMMARS,
  ) {
    this.#most = most;
    this.#tokenizer = tokenizer;
    this.#size = vocabulary;
    this.#endTokens = endTokens;
  }

  /**
   * JSON of a schema. @returns what makes one answer's constraint
   * @param schema checked by `checkSchema`; undefined: any object
   * @throws {ApiError} 400 for a schema that no grammar can be made of, or that takes too much; what the signal was aborted with
   */
  of(schema: object | undefined, use: GrammarUse): Promise<() => Promise<Constraint>> {
    return this.#constraint(sourceOf(schema), use);
  }

  /** Text in which every call is one of a tool there is, its arguments of their schema. @throws {ApiError} as {@link of} */
  ofTools({ tools, required, parallel }: ToolUse, use: GrammarUse): Promise<() => Promise<Constraint>> {
    const tags = tools.map(({ name, parameters }) => ({
      ...sourceOf(parameters),
      ...{ begin: callHead(name), end: CALL_END },
    }));
    const format = required
      ? { type: 'tags_with_separator', separator: '\n', at_least_one: true }
      : { type: 'triggered_tags', triggers: [CALL_START] };
    return this.#constraint({ tags, format: { ...format, stop_after_first: !parallel } }, use);
  }

  close(): void {
    for (const { grammar } of this.#kept.values()) grammar.close();
    this.#kept.clear();
  }

  async #constraint(source: GrammarSource, use: GrammarUse): Promise<() => Promise<Constraint>> {
    const key = JSON.stringify(source);
    const kept = await this.#take(key, source, use);
    use.until(() => {
      kept.users--;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const go of waiting) go();
    });
    try {
      await abortable(kept.grammar.made, use.signal, () => undefined);
    } catch (error) {
      // one that failed is in no known state; one that nobody waits for any more may yet be made
      if (!use.signal.aborted && this.#kept.get(key) === kept) this.#drop(key, kept);
      throw error;
    }
    return () => kept.grammar.constraint();
  }

  /** The grammar of a source, with one user more; if need be in the place of one that nobody uses. */
  async #take(key: string, source: GrammarSource, { param, signal }: GrammarUse): Promise<Kept> {
    for (;;) {
      const kept = this.#kept.get(key);
      this.#kept.delete(key);
      if (kept?.grammar.alive === true) {
        this.#kept.set(key, kept);
        kept.users++;
        return kept;
      }
      if (this.#kept.size >= this.#most) {
        const [oldest, idle] = [...this.#kept].find(([, { users }]) => users === 0) ?? [];
        if (oldest === undefined || idle === undefined) {
          const room = new Promise<void>((go) => this.#waiting.push(go));
          await abortable(room, signal, () => undefined);
          continue;
        }
        this.#drop(oldest, idle);
      }
      this.#vocabulary ??= this.#readVocabulary();
      const made = { grammar: new GrammarProcess(this.#vocabulary, source, param), users: 1 };
      this.#kept.set(key, made);
      return made;
    }
  }

  #drop(key: string, { grammar }: Kept): void {
    this.#kept.delete(key);
    grammar.close();
  }

  #readVocabulary(): Vocabulary {
    const tokens = Array<string>(this.#size).fill('');
    const known: unknown = this.#tokenizer.get_vocab();
    const pairs =
      known instanceof Map
        ? [...(known as Map<string, number>)]
        : Object.entries(known as Record<string, number>);
    // special tokens stand for no text: none of them is part of an answer
    const special = new Set(this.#tokenizer.all_special_ids);
    for (const [token, id] of pairs) if (id < tokens.length && !special.has(id)) tokens[id] = token;
    return { tokens, kind: kindOf(tokens), ends: [...this.#endTokens] };
  }
}

function sourceOf(schema: object | undefined): SchemaToFollow {
  return { schema: JSON.stringify(schema ?? ANY_OBJECT), strict: schema !== undefined };
}

/** How a vocabulary writes bytes: as GPT-2 does, as SentencePiece does, or not at all. */
function kindOf(vocabulary: readonly string[]): string {
  if (vocabulary.includes('<0x0A>')) return 'byte_fallback';
  return vocabulary.some((token) => token.startsWith('Ġ')) ? 'byte_level' : 'raw';
}
