// What a rewritten decoder copies between a GPU and the processor, against the original: nothing more to the processor in
// a decoding step, and one tensor more in a prefill, the scores. FASTV_TEST_PROVIDER=webgpu.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  const session = await InferenceSession.create(bytes, {
    executionProviders: [provider],
    logSeverityLevel: 3,
    enableProfiling: true,
    profileFilePrefix: join(folder, name),
  });
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
  // At R = 0, so that the original takes the same caches.
  it.each([
    ['gqa', 'attention'],
    ['gqa', 'mmr'],
    ['gqa gemma', 'attention'],
    ['mha', 'attention'],
    ['eager', 'attention'],
  ])('%s, %s: none more in a step, one more in a prefill', { timeout: 300_000 }, async (family, strategy) => {
    const { config } = toyFamily(family);
    const decoder = toyDecoder(config);
    const rewritten = rewriteToy(decoder, { stages: [{ layer: 2 }], strategy });
    const calls: Feeds[] = [];
    const toy = await ToySession.create(config, rewritten, provider);
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
      const more = i > 0 ? 0 : strategy === 'attention' ? 1 : Infinity;
      expect(after - before, i === 0 ? 'prefill' : 'step').toBeLessThanOrEqual(more);
    }
  });
});
