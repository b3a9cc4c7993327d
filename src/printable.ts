// Text from outside, as a terminal may see it. Names of files and nodes, producers, answers of models: escape sequences
// in them could retitle a window, hide lines or type commands.

/** Controls but tab and line feed, and what turns the direction of writing. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** The text with control characters written out (`\x1b`); tabs and line feeds stay. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** The same on one line: for names. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\t', '\\t').replaceAll('\n', '\\n');
}
