// docs/decoders.md is made here, from the fixtures and the toys: it cannot say what is not so. After a change,
// FASTV_UPDATE_DOCS=1 npx vitest run test/decoders-doc.test.ts writes it anew.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import { decodeModel, type OnnxModel } from '../src/onnx/index.js';
import { rewriteDecoder } from '../src/rewrite/index.js';
import { EXPORTS, exportModel, readMadeExports } from './export-fixture.js';
import { toyDecoder } from './toy/decoder.js';
import { attentionCuts, toyFamilies } from './toy/families.js';

const file = new URL('../docs/decoders.md', import.meta.url);
const folder = new URL('./fixtures/decoders/', import.meta.url);

const GENAI = 'ONNX Runtime GenAI builder, August 2026';
const TORCHSCRIPT = 'torch.onnx.export of transformers 5.18, dynamo=False';

/** Exporter and architecture of each fixture. */
const exportsTable: Readonly<Record<string, readonly [string, string]>> = {
  'genai-qwen25vl-mrope': [GENAI, 'Qwen2.5-VL (mRoPE over a table of the call)'],
  'genai-qwen3-webgpu-qknorm': [`${GENAI}, WebGPU`, 'Qwen3 (q and k norms in the operator)'],
  'genai-qwen35-hybrid': [GENAI, 'Qwen3.5 (linear attention, conv and recurrent states, gate)'],
  'genai-mistral-sliding-window-cache': [GENAI, 'Mistral with windowed_kv_cache'],
  'ts-gemma3-sliding-cache': [`${TORCHSCRIPT}, DynamicCache(config)`, 'Gemma 3'],
  'ts-fp16-keep-io-llama': [`${TORCHSCRIPT}, convert_float_to_float16(keep_io_types)`, 'Llama'],
  'opt-ts': [TORCHSCRIPT, 'OPT (learned positions, MLP on rows)'],
  'falcon-ts': [TORCHSCRIPT, 'Falcon (attention and MLP side by side)'],
  'gemma3n-ts': [TORCHSCRIPT, 'Gemma 3n (AltUp, per-layer inputs)'],
  'bloom-ts': [TORCHSCRIPT, 'BLOOM (ALiBi)'],
};

/** Whether a decoder is rewritten, and why not. */
function outcome(model: OnnxModel, layer: number): string {
  try {
    rewriteDecoder(model, { stages: [{ layer }] });
    return 'works';
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    return `refused: ${error.message}. ${error.hint ?? ''}`.trim();
  }
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function version({ producerName, producerVersion }: OnnxModel): string {
  return [producerName, producerVersion].filter((text) => text !== '').join(' ');
}

/** A row for each architecture that was made anew: by which exporters it works, and what is refused. */
function madeRows(): string[] {
  const rows = new Map<string, { readonly works: string[]; readonly refused: string[] }>();
  for (const { note, outcome: ended } of Object.values(readMadeExports())) {
    const [, architecture = '', exporter = ''] = /^(\S+) by .* exporter (\S+)$/u.exec(note) ?? [];
    const { works, refused } = rows.get(architecture) ?? { works: [], refused: [] };
    rows.set(architecture, { works, refused });
    if (ended === 'works') works.push(exporter);
    else refused.push(`${exporter}: ${ended}`);
  }
  return [...rows].map(([name, { works, refused }]) => row(name, works.join(', '), refused.join('; ')));
}

/** What made them, named once. */
function madeBy(): string {
  const versions = Object.values(readMadeExports()).map(({ note }) => / by (.*), exporter /u.exec(note)?.[1]);
  return [...new Set(versions)].join('; ');
}

async function page(): Promise<string> {
  const today = readdirSync(EXPORTS)
    .sort()
    .map((name) => {
      const model = exportModel(name);
      const [exporter = '', architecture = ''] = exportsTable[name] ?? [];
      return row(exporter, architecture, version(model), outcome(model, 2));
    });
  const decoders = readdirSync(folder)
    .sort()
    .map((name) => {
      const model = decodeModel(readFileSync(new URL(`${name}/model.onnx`, folder)), name);
      const [checkpoint = '', exporter = ''] = name.split('.');
      return row(exporter, checkpoint, version(model), outcome(model, 2));
    });
  const toys = toyFamilies.map(({ name, config }) => {
    const [cut = 1] = attentionCuts(config);
    return row(name, outcome(decodeModel(toyDecoder(config).bytes), cut));
  });
  const text = `# Which decoders are understood

<!-- Written by test/decoders-doc.test.ts; FASTV_UPDATE_DOCS=1 npx vitest run test/decoders-doc.test.ts writes it anew. -->

A decoder is known by its graph, not by its name: \`fastv inspect FILE\` says of any file what is found in it, where it can
be cut, and why not elsewhere. What is not understood is refused, naming the node; nothing is skipped in silence.

## Exporters

Small checkpoints as today's exporters write them. \`test/exports.test.ts\` runs each that works at K = 2 against FastV in
PyTorch on the same weights: tokens kept, logits of the prefill and three steps, cache lengths.
\`training/decoder_exports.py\` makes more of them anew, from any architecture in transformers.

| exporter | architecture | producer in the file | |
|---|---|---|---|
${today.join('\n')}

More architectures, made anew by that script (${madeBy()}) and run in the same way. \`ts\` is
\`torch.onnx.export(dynamo=False)\`, \`dynamo18\` its new exporter at opset 18, \`sliding\` a \`DynamicCache\` that crops layers
to their window:

| architecture | works as exported by | refused |
|---|---|---|
${madeRows().join('\n')}

\`FASTV_EXPORTS=FOLDER FASTV_UPDATE_DOCS=1 npx vitest run test/exports.test.ts\` keeps how those in a folder end.

The same against the FastV authors' own code, at several K and R (\`test/goldens.test.ts\`):

| exporter | checkpoint | producer in the file | |
|---|---|---|---|
${decoders.join('\n')}

## Forms of graphs

What exporters are known to write, as decoders of four layers. \`test/parity.test.ts\` compares every one with a reference
in plain loops, at every K, in batches, over several turns.

| form | |
|---|---|
${toys.join('\n')}
`;
  return format(text, { parser: 'markdown', printWidth: 120, proseWrap: 'preserve' });
}

it('says of each fixture what exporter made it', () => {
  expect(Object.keys(exportsTable).sort()).toEqual(readdirSync(EXPORTS).sort());
});

it('docs/decoders.md is up to date', { timeout: 300_000 }, async () => {
  const expected = await page();
  if (process.env['FASTV_UPDATE_DOCS'] === '1') writeFileSync(file, expected);
  expect(readFileSync(file, 'utf8')).toBe(expected);
});
