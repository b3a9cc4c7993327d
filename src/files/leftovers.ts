// What must not outlive this process: files and folders under temporary names. Whoever makes one removes it when it is
// done; the list is for a process that is told to end before that.
import { rmSync } from 'node:fs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const pending = new Set<string>();

/**
 * Remembers a path for removal, should the process exit, or be told to end by a signal that nobody else handles: it then
 * ends as it would have without this.
 * @returns forgets it again: it was removed, or has got its name
 */
export function removeAtExit(path: string): () => void {
  if (pending.size === 0) listen();
  pending.add(path);
  return () => {
    if (pending.delete(path) && pending.size === 0) stopListening();
  };
}

function listen(): void {
  process.on('exit', removeAll);
  for (const signal of SIGNALS) process.on(signal, end);
}

function stopListening(): void {
  process.off('exit', removeAll);
  for (const signal of SIGNALS) process.off(signal, end);
}

function end(signal: NodeJS.Signals): void {
  // a handler of somebody else's decides whether the process ends
  if (process.listeners(signal).some((listener) => listener !== end)) return;
  removeAll();
  stopListening();
  process.kill(process.pid, signal);
}

function removeAll(): void {
  for (const path of pending) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // the process is ending: there is nobody left to tell
    }
  }
  pending.clear();
}
