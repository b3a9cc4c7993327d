// The families that can be built, and what is refused with a reason.
import { FastvError } from '../../errors.js';
import type { Config } from '../checkpoint/config.js';
import type { Family } from './family.js';
import { gemma3 } from './gemma3.js';
import { internvl } from './internvl.js';
import { llavaNext, llavaOnevision } from './llava-next.js';
import { llava } from './llava.js';
import { mistral3 } from './mistral3.js';
import { paligemma } from './paligemma.js';
import { qwenVlChat } from './qwen-vl-chat.js';
import { qwen25Vl } from './qwen2.5-vl.js';
import { qwen2Vl } from './qwen2-vl.js';
import { qwen3Vl } from './qwen3-vl.js';
import { smolvlm } from './smolvlm.js';
import { videoLlava } from './video-llava.js';

export const FAMILIES: readonly Family[] = [
  gemma3,
  internvl,
  llava,
  llavaNext,
  llavaOnevision,
  mistral3,
  paligemma,
  qwen2Vl,
  qwen25Vl,
  qwen3Vl,
  qwenVlChat,
  smolvlm,
  videoLlava,
];

/** Models whose image tokens are not worth pruning, and why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    'instructblip',
    'InstructBLIP gives its decoder 32 visual tokens, whatever the picture: there is nothing to prune',
  ],
  ['blip-2', 'BLIP-2 gives its decoder 32 visual tokens, whatever the picture: there is nothing to prune'],
]);

/** The family of a checkpoint. @throws {FastvError} `unsupported-decoder` with the reason, and those that there are */
export function familyOf(config: Config): Family {
  const type = config.text('model_type');
  const family = FAMILIES.find(({ modelTypes }) => modelTypes.includes(type));
  if (family !== undefined) return family;
  const known = FAMILIES.flatMap(({ modelTypes }) => modelTypes).join(', ');
  throw new FastvError(
    'unsupported-decoder',
    REFUSED.get(type) ?? `models of the type ${JSON.stringify(type.slice(0, 60))} cannot be built`,
    { where: config.where, hint: `Those that can: ${known}.` },
  );
}
