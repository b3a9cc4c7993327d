/**
 * Lists as Python prints them, "['a', \"it's\", 3]": MMMU's options and A-OKVQA's answers are published so.
 * Only flat lists (or tuples) of strings and numbers; anything else is null, nothing is evaluated.
 */

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' }),
);

/** The items as text, or null if the text is no such list. */
export function parsePythonList(text: string): string[] | null {
  const source = text.trim();
  const close = source.startsWith('[') ? ']' : source.startsWith('(') ? ')' : null;
  if (close === null || !source.endsWith(close)) return null;
  const items: string[] = [];
  const item =
    /\s*(?:'((?:[^'\\]|\\[^])*)'|"((?:[^"\\]|\\[^])*)"|(-?\d+(?:\.\d+)?|None|True|False))\s*(,|$)/y;
  const rest = /\s*$/y;
  const inner = source.slice(1, -1);
  if (inner.trim() === '') return items;
  while (item.lastIndex < inner.length) {
    // a comma may come last
    rest.lastIndex = item.lastIndex;
    if (rest.test(inner)) return items;
    const match = item.exec(inner);
    if (match === null) return null;
    const [, single, double, bare] = match;
    items.push(bare ?? unescape(single ?? double ?? ''));
  }
  return items;
}

function unescape(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([^]))/gi,
    (_, x?: string, u?: string, c?: string) => {
      const hex = x ?? u;
      return hex === undefined
        ? (ESCAPES.get(c ?? '') ?? `\\${c ?? ''}`)
        : String.fromCharCode(parseInt(hex, 16));
    },
  );
}
