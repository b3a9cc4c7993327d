/** `--strategy` of the commands that run a model. */
import { Option } from 'commander';
import { STRATEGIES } from '../../eval/answerer.js';

/** How image tokens are ranked. */
export function strategyOption(): Option {
  return new Option('--strategy <strategy>', 'how image tokens are ranked')
    .choices(STRATEGIES)
    .default('attention');
}
