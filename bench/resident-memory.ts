// Memory of this process, as Linux counts it.
import { readFileSync, writeFileSync } from 'node:fs';

/** Resident memory of this process now and at its highest since {@link resetPeak}, in bytes; Linux only. */
export function memory(): { now: number; peak: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`, 'u').exec(status)?.[1] ?? 0) * 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/** Makes the highest resident memory start from now. */
export function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}
