// Parts of a run: `0/4` is the first of four.
import { checkShard, type Shard } from '../../eval/shard.js';
import { refuse } from './refuse.js';

/**
 * A parser of parts, for commander.
 * @param option the option, as its error names it
 */
export function shard(option: string): (value: string) => Shard {
  return (value) => {
    const [, index, count] = /^(\d{1,9})\/(\d{1,9})$/u.exec(value) ?? [];
    if (index === undefined || count === undefined)
      throw refuse(option, value, 'part', 'write i/n, counted from 0: --shard 0/4');
    const part = { index: Number(index), count: Number(count) };
    checkShard(part);
    return part;
  };
}
