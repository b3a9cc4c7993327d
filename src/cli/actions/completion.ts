/** What `fastv completion` does. */
import type { Command } from 'commander';
import { SCRIPTS } from '../completion/scripts.js';
import type { Shell } from '../completion/shells.js';
import { completionTree } from '../completion/tree.js';
import type { Terminal } from '../terminal.js';

/** Prints the script for a shell. */
export function completion(shell: Shell, commands: readonly Command[], terminal: Terminal): void {
  const script = SCRIPTS[shell](completionTree(commands));
  terminal.result({ shell, script }, () => script);
}
