/** `--strategy` of the commands that run a model. */
import { Option } from 'commander';
import { DEFAULT_STRATEGY, strategies } from '../../strategies/index.js';

/** How image tokens are ranked. */
export function strategyOption(): Option {
  return new Option('--strategy <strategy>', 'how image tokens are ranked')
    .choices(strategies.map(({ name }) => name))
    .default(DEFAULT_STRATEGY);
}
