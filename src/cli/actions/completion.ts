/** What `fastv completion` does. */
import type { SHELLS } from '../commands/completion.js';
import { SCRIPTS } from '../completion/scripts.js';
import { completionTree } from '../completion/tree.js';
import type { Terminal } from '../terminal.js';

/** Prints the script for a shell. */
export async function completion(shell: (typeof SHELLS)[number], terminal: Terminal): Promise<void> {
  const script = SCRIPTS[shell](await completionTree(terminal));
  terminal.result({ shell, script }, () => script);
}
