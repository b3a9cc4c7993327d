// What an editor shows of the library: everything public says what it is, and what is called shows a call.
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

const ENTRIES = [
  'src/index.ts',
  'src/browser.ts',
  'src/model.ts',
  'src/browser-model.ts',
  'src/runtime/conversation.ts',
  'src/rewrite/index.ts',
  'src/cost/index.ts',
  'src/onnx/index.ts',
  'src/build/index.ts',
  'src/server/index.ts',
  'src/ai-sdk/index.ts',
  'src/ai-sdk/browser.ts',
];

let checker: ts.TypeChecker;
let program: ts.Program;
beforeAll(() => {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
  program = ts.createProgram(ENTRIES, options);
  checker = program.getTypeChecker();
}, 60_000);

describe.each(ENTRIES)('%s', (entry) => {
  it('is documented, with examples of what is called', () => {
    const symbols = exportsOf(entry);
    // the provider's are three
    expect(symbols.length).toBeGreaterThan(entry.startsWith('src/ai-sdk/') ? 2 : 3);
    expect(undocumented(symbols)).toEqual([]);
    // a function that is exported as a type only cannot be called
    const called = symbols.filter(
      ({ flags, name }) =>
        (flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)) !== 0 && !TYPES_ONLY.has(name),
    );
    expect(
      names(called.filter((one) => one.getJsDocTags(checker).every(({ name }) => name !== 'example'))),
    ).toEqual([]);
  });
});

function exportsOf(entry: string): ts.Symbol[] {
  const file = program.getSourceFile(entry);
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
  return (module === undefined ? [] : checker.getExportsOfModule(module)).map((symbol) =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol),
  );
}

const names = (list: readonly ts.Symbol[]): string[] => list.map(({ name }) => name);

/** Names that nothing is said of; what comes from another package is that package's. */
function undocumented(symbols: readonly ts.Symbol[]): string[] {
  return names(
    symbols.filter(
      (one) =>
        one.getDocumentationComment(checker).length === 0 &&
        one.declarations?.every((at) => at.getSourceFile().fileName.includes('node_modules')) !== true,
    ),
  );
}

/** Functions of src/strategies, of which fastv/rewrite has the types. */
const TYPES_ONLY = new Set([
  ...['graphStrategy', 'needsLayer', 'isSeeded', 'isListed', 'unitRows'],
  ...['checkStanding', 'findPreset', 'methodName', 'parseMethod'],
]);
