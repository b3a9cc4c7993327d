/** What `fastv strategies` does. */
import { isSeeded, needsLayer, strategies } from '../../strategies/index.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';

/** Prints every strategy that can be asked for by its name. */
export function listStrategies(terminal: Terminal): void {
  const all = strategies.map(({ name, description }) => ({
    name,
    description,
    leastLayer: needsLayer(name) ? 1 : 0,
    seeded: isSeeded(name),
  }));
  terminal.result({ strategies: all }, () =>
    table([
      ['strategy', 'least K', 'seed', 'what it does'],
      ...all.map((s) => [s.name, String(s.leastLayer), s.seeded ? 'yes' : 'no', s.description]),
    ]).join('\n'),
  );
}
