// Answers that are JSON by construction: of each next token, only those that the grammar allows. The grammar is made and
// followed by XGrammar (Dong et al., arXiv 2411.15100), compiled to WebAssembly.
import { createRequire, Module } from 'node:module';
import type * as XGrammar from '@mlc-ai/web-xgrammar';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { readRegular } from '../files/read.js';
import { badRequest } from './api-error.js';
import type { Constraint } from './engine/engine.js';
import { CALL_END, CALL_START, callHead, type ToolUse } from './tools.js';

type XGrammarModule = Pick<
  typeof XGrammar,
  'Grammar' | 'TokenizerInfo' | 'GrammarCompiler' | 'GrammarMatcher'
>;

/** Grammars that are kept. */
const KEPT = 16;

/** JSON objects of any kind. */
const ANY_OBJECT = { type: 'object', additionalProperties: true };

/** Without spaces that nobody asked for, of which a small model may not find the end. */
const COMPACT = [false, -1, [',', ':']] as [boolean, number, [string, string]];

/** Bytes of the library's file, which has its WebAssembly in it. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Loads a new instance of the library: one that has failed is not to be used again. Its file calls itself a module, and is
 * a script that wants CommonJS's names.
 */
async function loadXGrammar(): Promise<XGrammarModule> {
  const own: unknown = import.meta.url;
  // a bundle in CommonJS has no import.meta.url, and is a file itself
  const require = createRequire(typeof own === 'string' ? own : __filename);
  const file = require.resolve('@mlc-ai/web-xgrammar');
  const script = new TextDecoder().decode(await readRegular(file, MOST_BYTES));
  const module = new Module(file) as Module & { _compile(script: string, file: string): void };
  module._compile(script, file);
  return module.exports as XGrammarModule;
}

interface Loaded {
  readonly library: XGrammarModule;
  readonly compiler: XGrammar.GrammarCompiler;
  readonly kept: Map<string, XGrammar.CompiledGrammar>;
}

/** Grammars for the vocabulary of one model. */
export class Grammars {
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #vocabulary: number;
  readonly #endTokens: ReadonlySet<number>;
  #loaded: Promise<Loaded> | undefined;

  constructor(tokenizer: PreTrainedTokenizer, vocabulary: number, endTokens: ReadonlySet<number>) {
    this.#tokenizer = tokenizer;
    this.#vocabulary = vocabulary;
    this.#endTokens = endTokens;
  }

  /**
   * JSON of a schema. @returns what makes one answer's constraint
   * @param schema checked by `checkSchema`; undefined: any object
   * @throws {ApiError} 400 for a schema that no grammar can be made of
   */
  of(schema: object | undefined, param: string): Promise<() => Promise<Constraint>> {
    return this.#constraint(JSON.stringify(schema ?? ANY_OBJECT), param, ({ compiler }, text) =>
      compiler.compileJSONSchema(text, ...COMPACT, schema !== undefined),
    );
  }

  /** Text in which every call is one of a tool there is, its arguments of their schema. @throws {ApiError} as {@link of} */
  ofTools(use: ToolUse, param: string): Promise<() => Promise<Constraint>> {
    return this.#constraint(JSON.stringify(use), param, async ({ library, compiler }) => {
      const tags: XGrammar.TagFormat[] = [];
      for (const { name, parameters } of use.tools) {
        const text = JSON.stringify(parameters ?? ANY_OBJECT);
        const grammar = await library.Grammar.fromJSONSchema(text, ...COMPACT, parameters !== undefined);
        const content = { type: 'grammar', grammar: grammar.toString() } as const;
        grammar.dispose();
        tags.push({ type: 'tag', begin: callHead(name), content, end: CALL_END });
      }
      const first = { stop_after_first: !use.parallel };
      return compiler.compileStructuralTag({
        type: 'structural_tag',
        format: use.required
          ? { type: 'tags_with_separator', tags, separator: '\n', at_least_one: true, ...first }
          : { type: 'triggered_tags', triggers: [CALL_START], tags, ...first },
      });
    });
  }

  /** What makes constraints of a grammar, which is compiled if it is not kept. */
  async #constraint(
    key: string,
    param: string,
    compile: (loaded: Loaded, key: string) => Promise<XGrammar.CompiledGrammar>,
  ): Promise<() => Promise<Constraint>> {
    const loaded = await (this.#loaded ??= this.#load());
    const { library, kept } = loaded;
    let grammar = kept.get(key);
    if (grammar === undefined) {
      try {
        grammar = await compile(loaded, key);
      } catch {
        // after it has aborted, the instance is in no known state
        this.#loaded = undefined;
        throw badRequest('no grammar can be made of this schema', param);
      }
      kept.set(key, grammar);
      const [oldest] = kept.keys();
      // collected with its matchers, some of which may be in use
      if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
    }
    const compiled = grammar;
    return async () => {
      const matcher = await library.GrammarMatcher.createGrammarMatcher(compiled);
      return {
        allowed: () => matcher.getNextTokenBitmask(),
        accept: (id) => void matcher.acceptToken(id),
        close: () => {
          matcher.dispose();
        },
      };
    };
  }

  async #load(): Promise<Loaded> {
    const vocabulary = Array<string>(this.#vocabulary).fill('');
    const known: unknown = this.#tokenizer.get_vocab();
    const pairs =
      known instanceof Map
        ? [...(known as Map<string, number>)]
        : Object.entries(known as Record<string, number>);
    // special tokens stand for no text: none of them is part of an answer
    const special = new Set(this.#tokenizer.all_special_ids);
    for (const [token, id] of pairs) if (id < vocabulary.length && !special.has(id)) vocabulary[id] = token;
    const library = await loadXGrammar();
    const { TokenizerInfo, GrammarCompiler } = library;
    const kind = kindOf(vocabulary);
    const ends = [...this.#endTokens];
    const info = await TokenizerInfo.createTokenizerInfo(vocabulary, kind, false, this.#vocabulary, ends);
    return { library, compiler: await GrammarCompiler.createGrammarCompiler(info), kept: new Map() };
  }
}

/** How a vocabulary writes bytes: as GPT-2 does, as SentencePiece does, or not at all. */
function kindOf(vocabulary: readonly string[]): string {
  if (vocabulary.includes('<0x0A>')) return 'byte_fallback';
  return vocabulary.some((token) => token.startsWith('Ġ')) ? 'byte_level' : 'raw';
}
