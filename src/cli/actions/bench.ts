/** What `fastv bench` does. */
import { basename } from 'node:path';
import type { Device } from '../../bench/devices.js';
import { prefillFeeds } from '../../bench/feeds.js';
import { placementOf, placementTables } from '../../bench/placement.js';
import {
  measurePrefill,
  prefillTables,
  type PrefillOptions,
  type PrefillResult,
} from '../../bench/prefill.js';
import { profile, type ProfiledNode } from '../../bench/profile.js';
import { profileTables } from '../../bench/profile-tables.js';
import {
  openDecoder,
  originalOf,
  readDecoder,
  rewrittenOf,
  type DecoderFile,
  type Source,
} from '../../bench/sessions.js';
import { FastvError } from '../../errors.js';
import { rotaryPositions } from '../../runtime/limits.js';
import { processorClass } from '../../runtime/processor-class.js';
import type { ProgressStream, Terminal } from '../terminal.js';

/** The flags of `fastv bench`. */
export interface BenchFlags {
  readonly layer: number;
  readonly ratio: readonly number[];
  readonly imageTokens: number;
  readonly textTokens: number;
  readonly rounds: number;
  readonly decodeRounds: number;
  readonly tail?: boolean;
  readonly device: Device;
  readonly profile?: boolean;
}

/** Measures one decoder file and prints what was found. */
export async function bench(path: string, flags: BenchFlags, terminal: Terminal): Promise<void> {
  const { layer, ratio: ratios, device, rounds, decodeRounds } = flags;
  const tokens = { image: flags.imageTokens, text: flags.textTokens };
  const file = await readDecoder(path);
  const before = originalOf(file);
  const after = rewrittenOf(file, flags);
  if (flags.tail === true && after.tail === 'all') {
    terminal.note("note: this decoder's tail is not understood; all tokens go through it");
  }
  const progress = progressLine(terminal.progress);
  const result = await timed(before, after, { ...flags, tokens, ratios, onProgress: progress.show });
  const ratio = ratios.at(-1) ?? 0.5;
  const nodesOf = (name: string, source: Source): Promise<ProfiledNode[]> => {
    progress.show(`profile of the ${name} decoder`);
    return profile(source, (inputs) => prefillFeeds(inputs, tokens, ratio), rounds, device);
  };
  const profiles =
    flags.profile === true
      ? { original: await nodesOf('original', before), rewritten: await nodesOf('rewritten', after) }
      : undefined;
  progress.end();
  const placement =
    profiles === undefined || device === 'cpu'
      ? undefined
      : {
          original: placementOf(profiles.original, before.view),
          rewritten: placementOf(profiles.rewritten, after.view),
        };

  const { tail } = after;
  const processor = await processorClass();
  const settings = { file: path, layer, ratios, tokens, rounds, decodeRounds, tail, device, processor };
  const profiled = profiles === undefined ? undefined : { ratio, ...profiles, placement };
  const heading = [
    `${basename(path)}: ${tokens.image} image + ${tokens.text} other tokens`,
    `K=${layer}`,
    ...(tail === 'last' ? ['last-token tail'] : []),
    ...(device === 'cpu' ? [] : [device]),
  ].join(', ');
  const parts = [`### ${heading}`, prefillTables(result)];
  if (profiles !== undefined) {
    parts.push(`Profile at R=${ratio}:`, profileTables(profiles.original, profiles.rewritten));
  }
  if (placement !== undefined) parts.push(placementTables(placement.original, placement.rewritten));
  if (device === 'cpu') parts.push(`Processor: ${processor}`);
  terminal.result({ ...settings, ...result, profile: profiled }, () => parts.join('\n\n'));
}

/** @throws {FastvError} `invalid-option` for more tokens than the decoder has positions */
function checkPositions(
  { model }: DecoderFile,
  { tokens, decodeRounds }: Pick<PrefillOptions, 'tokens' | 'decodeRounds'>,
): void {
  const positions = rotaryPositions(model);
  const wanted = tokens.image + tokens.text + (decodeRounds > 0 ? 1 : 0);
  if (positions === undefined || wanted <= positions) return;
  throw new FastvError(
    'invalid-option',
    `${wanted} tokens are more than this decoder's ${positions} positions`,
    {
      where: '--image-tokens',
      hint: 'Take fewer --image-tokens or --text-tokens.',
    },
  );
}

/** Times both, and lets go of them before a profile loads them again. */
async function timed(
  before: Source,
  after: Awaited<ReturnType<typeof rewrittenOf>>,
  options: Omit<PrefillOptions, 'tail'>,
): Promise<PrefillResult> {
  const original = await openDecoder(before, options.device);
  try {
    const rewritten = await openDecoder(after, options.device);
    try {
      checkPositions(before.file, options);
      return await measurePrefill(before.file, original, rewritten, { ...options, tail: after.tail });
    } finally {
      await rewritten.session.release();
    }
  } finally {
    await original.session.release();
  }
}

/** One line on a terminal that says what goes on; on anything else, a line a part. */
function progressLine(stream: ProgressStream): {
  show: (part: string, done?: number, all?: number) => void;
  end: () => void;
} {
  let last = '';
  return {
    show: (part, done, all) => {
      const count = done === undefined ? '' : ` ${done}/${all ?? done}`;
      if (stream.isTTY === true) stream.write(`\r\u001b[K${part}${count}`);
      else if (part !== last) stream.write(`${part} …\n`);
      last = part;
    },
    end: () => {
      if (stream.isTTY === true) stream.write('\r\u001b[K');
    },
  };
}
