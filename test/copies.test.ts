// What a rewritten decoder copies between a GPU and the processor, against the original: nothing more to the processor in
// a decoding step, and in a prefill the scores, or what tokens are picked by one after another: no copy a turn.
// FASTV_TEST_PROVIDER=webgpu.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../src/onnx/index.js';
import { withProcessorNodes } from '../src/runtime/processor-nodes.js';
import { parseMethod } from '../src/strategies/index.js';
import { provider, rewriteToy } from './rewritten.js';
import { prefillAndDecode } from './toy/compare.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';
import { ToySession } from './toy/run.js';

interface Event {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly op_name?: string };
}

type Feeds = InferenceSession.OnnxValueMapType;

function missing(input: string): never {
  throw new Error(`no ${input}`);
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-copies-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** How many tensors come to the processor while one call runs. */
async function copiesOf(bytes: Uint8Array, feeds: Feeds, name: string): Promise<number> {
  const options = {
    executionProviders: [provider],
    logSeverityLevel: 3,
    enableProfiling: true,
    profileFilePrefix: join(folder, name),
  } as const;
  const session = await InferenceSession.create(bytes, withProcessorNodes(options, decodeModel(bytes)));
  await session.run(
    Object.fromEntries(session.inputNames.map((input) => [input, feeds[input] ?? missing(input)])),
  );
  session.endProfiling();
  await session.release();
  const file = readdirSync(folder).find((written) => written.startsWith(name)) ?? '';
  const events = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Event[];
  return events.filter(({ cat, args }) => cat === 'Node' && args?.op_name === 'MemcpyToHost').length;
}

describe.runIf(provider === 'webgpu')('copies to the processor', () => {
  it.each([
    ['gqa', 'attention', 1, 'float64'],
    ['gqa gemma', 'attention', 1, 'float64'],
    ['mha', 'attention', 1, 'float64'],
    ['eager', 'attention', 1, 'float64'],
    ['gqa', 'mmr', 3, 'float64'],
    ['gqa', 'scope', 3, 'float64'],
    ['gqa', 'sizes', 3, 'float64'],
    ['gqa', 'dpp', 3, 'float64'],
    ['gqa', 'divprune', 3, 'float64'],
    ['gqa', 'attention-diversity', 3, 'float64'],
    ['gqa', 'heads-in-turn', 3, 'float64'],
    ['gqa', 'dart', 3, 'float64'],
    ['gqa', 'ivc', 3, 'float64'],
    ['gqa', 'sieve-lite', 3, 'float64'],
    ['gqa', 'vispruner', 3, 'float64'],
    // as browsers have it
    ['gqa', 'attention', 1, 'integer'],
    ['gqa', 'sizes', 3, 'integer'],
  ] as const)(
    '%s, %s: none more in a step, %i more in a prefill, quotas in %s',
    { timeout: 300_000 },
    async (family, method, more, quota) => {
      const { config } = toyFamily(family);
      const decoder = toyDecoder(config);
      const { strategy, weights, merge } = parseMethod(method, 'the test');
      const standing = { ...(weights && { weights }), ...(merge && { merge }) };
      const rewritten = rewriteToy(decoder, {
        stages: [{ layer: 2 }],
        strategy,
        quota,
        ...standing,
      });
      // At R = 0, so that the original takes the same caches; all tokens are picked then, one after another.
      const calls: Feeds[] = [];
      const toy = await ToySession.create(config, rewritten, 'cpu');
      const run = toy.session.run.bind(toy.session);
      toy.session.run = (feeds: Feeds) => {
        calls.push(feeds);
        return run(feeds);
      };
      const conversation = toy.conversation(1);
      for (const { rows, ratios } of prefillAndDecode(config, [[4, 40, 11]], [0], 1)) {
        await conversation.call(rows, { ratios });
      }
      await toy.release();
      for (const [i, feeds] of calls.entries()) {
        const before = await copiesOf(decoder.bytes, feeds, `original-${i}-`);
        const after = await copiesOf(rewritten, feeds, `rewritten-${i}-`);
        expect(after - before, i === 0 ? 'prefill' : 'step').toBeLessThanOrEqual(i > 0 ? 0 : more);
      }
    },
  );
});
