/** `npm run bench`: every table, or the ones asked for. Start with `npm run bench -- --help`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { availableParallelism, cpus } from 'node:os';
import { DEVICES, type Device } from '../src/bench/devices.js';
import { KNOWN_MODELS, knownModel } from '../src/cost/models.js';
import { WEIGHT_TYPES, type WeightType } from './decoder.js';
import { benchEmbedded, type EmbeddedOptions } from './embedded.js';
import { benchFormats } from './formats.js';
import { benchLaboratory, type LaboratoryOptions } from './laboratory.js';
import { benchMemory } from './memory.js';
import { benchPrefill } from './prefill.js';
import { benchProfile } from './profile.js';
import { benchRoofline, type RooflineOptions } from './roofline.js';
import { benchSelectors } from './selectors.js';
import { benchTtft, type TtftOptions } from './ttft.js';

interface ShapeFlags {
  readonly shape: string;
  readonly layers?: number;
  readonly textTokens: number;
  readonly rounds: number;
}

interface Flags extends ShapeFlags {
  readonly weights: readonly WeightType[];
  readonly layer: readonly number[];
  readonly ratios: readonly number[];
  readonly imageTokens: readonly number[];
  readonly device?: Device;
  readonly tail?: boolean;
  readonly shareWeights?: boolean;
  readonly decodeRounds: number;
}

const number = (value: string): number => {
  if (/^\d{1,15}$/u.test(value)) return Number(value);
  throw new InvalidArgumentError('A whole number is needed.');
};
const share = (value: string): number => {
  const n = value.trim() === '' ? Number.NaN : Number(value);
  if (n >= 0 && n <= 1) return n;
  throw new InvalidArgumentError('A share from 0 to 1 is needed.');
};
const list =
  <T>(read: (value: string) => T) =>
  (value: string): T[] =>
    value.split(',').map((part) => read(part));

function withShape(command: Command): Command {
  return command
    .addOption(
      new Option('--shape <name>', 'the decoder’s shape')
        .choices(KNOWN_MODELS.map(({ name }) => name))
        .default('llava-1.5-7b'),
    )
    .option('--layers <n>', 'layers (default: the shape’s own)', number)
    .option('--text-tokens <n>', 'all other tokens', number, 64)
    .option('--rounds <n>', 'rounds of prefill; the variants take turns in each', number, 5);
}

function withDecoder(command: Command): Command {
  return withShape(command)
    .option('--weights <types>', WEIGHT_TYPES.join(','), list(weightType), ['int8'])
    .option('-k, --layer <list>', 'values of K: layers 0 to K-1 see every token', list(number), [2])
    .option('--ratios <list>', 'values of R', list(share), [0, 0.5, 0.75])
    .option('--image-tokens <list>', 'numbers of image tokens', list(number), [576])
    .option('--share-weights', 'all layers read the same weights: for decoders larger than memory')
    .option('--method <name>', 'a strategy, with +sizes or +sizes+mean, or a preset (default: attention)')
    .option('--tail', 'only the last token goes on after the last attention')
    .option('--decode-rounds <n>', 'rounds of a decoding step', number, 0);
}

function withDevice(command: Command): Command {
  return command.addOption(new Option('--device <device>', 'where to run').choices(DEVICES).default('cpu'));
}

function weightType(value: string): WeightType {
  const found = WEIGHT_TYPES.find((type) => type === value);
  if (found === undefined) throw new Error(`--weights: ${value} is none of ${WEIGHT_TYPES.join(', ')}`);
  return found;
}

function layersOf({ shape, layers }: ShapeFlags): number {
  return layers ?? knownModel(shape).shape.layers;
}

async function eachDecoder(
  flags: Flags,
  run: (options: Parameters<typeof benchPrefill>[0]) => void | Promise<void>,
): Promise<void> {
  for (const weights of flags.weights) {
    for (const image of flags.imageTokens) {
      for (const layer of flags.layer) {
        await run({
          ...flags,
          weights,
          layer,
          layers: layersOf(flags),
          device: flags.device ?? 'cpu',
          tokens: { text: flags.textTokens, image },
        });
      }
    }
  }
}

/** Formats that processors compute in. */
const ON_PROCESSORS = WEIGHT_TYPES.filter((type) => type !== 'int4-fp16');

const program = new Command('npm run bench --').description(
  'measures rewritten decoders against the originals',
);
withDevice(
  withDecoder(program.command('prefill', { isDefault: true }).description('time, speed-up, KV bytes')),
).action((flags: Flags) => eachDecoder(flags, benchPrefill));
withDevice(
  withDecoder(program.command('profile').description('where prefill time goes, by operator')),
).action((flags: Flags) => eachDecoder(flags, benchProfile));
withDecoder(program.command('memory').description('peak memory of prefill')).action((flags: Flags) =>
  eachDecoder(flags, benchMemory),
);
withShape(
  program.command('ttft').description('time to the first token: 4-bit exports against int8 and pruning'),
)
  .option('-k, --layer <K>', 'layers 0 to K-1 see every token', number, 2)
  .option('--ratio <R>', 'share of the image tokens dropped', share, 0.5)
  .option('--image-tokens <n>', 'number of image tokens', number, 576)
  .action((flags: ShapeFlags & TtftOptions & { readonly imageTokens: number }) =>
    benchTtft({
      ...flags,
      layers: layersOf(flags),
      tokens: { text: flags.textTokens, image: flags.imageTokens },
    }),
  );
withShape(program.command('roofline').description('how near decoders come to what the machine can do'))
  .option('--weights <types>', WEIGHT_TYPES.join(','), list(weightType), ON_PROCESSORS)
  .option('--image-tokens <n>', 'number of image tokens', number, 576)
  .option('--share-weights', 'all layers read the same weights: for decoders larger than memory')
  .option('--size <n>', 'rows and columns of the square matrices', number, 4096)
  .option('--mebibytes <n>', 'size of the tensors that are read and added', number, 512)
  .action((flags: ShapeFlags & RooflineOptions & { readonly imageTokens: number }) =>
    benchRoofline({
      ...flags,
      layers: layersOf(flags),
      tokens: { text: flags.textTokens, image: flags.imageTokens },
    }),
  );
withShape(program.command('selectors').description('what choosing costs: every strategy beside the prefill'))
  .option('--ratios <list>', 'values of R', list(share), [0.5, 0.9])
  .option('--image-tokens <list>', 'numbers of image tokens', list(number), [576])
  .option('--images <n>', 'images that share what is kept, each picked from by itself', number, 1)
  .option('-o, --output <folder>', 'where the numbers and the break-even plots go')
  .action(
    (
      flags: ShapeFlags & {
        readonly imageTokens: readonly number[];
        readonly images: number;
        readonly ratios: readonly number[];
        readonly output?: string;
      },
    ) => benchSelectors(flags),
  );
program
  .command('embedded')
  .description('the bundled model end to end: first token and tokens a second')
  .option('--model <folder>', 'the model', 'models/scenes-llava')
  .option('--dtypes <list>', 'fp32, q8, …', list(String), ['fp32', 'q8'])
  .option('-k, --layer <K>', 'layers 0 to K-1 see every token', number, 2)
  .option('--ratios <list>', 'values of R', list(share), [0.5, 0.75, 0.9])
  .option('--rounds <n>', 'rounds; the variants take turns in each', number, 9)
  .option('--new-tokens <n>', 'tokens of every answer', number, 32)
  .action((flags: EmbeddedOptions) => benchEmbedded(flags));
program
  .command('laboratory')
  .description('results in great numbers: going on with a run, its summary, its report')
  .option('--results <n>', 'how many', number, 1_000_000)
  .option('--conditions <n>', 'under so many conditions', number, 5)
  .action((flags: LaboratoryOptions) => benchLaboratory(flags));
program
  .command('formats')
  .description('one linear layer in every weight format')
  .option('--tokens <n>', 'rows of the activation', number, 640)
  .option('--inputs <n>', 'input channels', number, 4096)
  .option('--outputs <n>', 'output channels', number, 4096)
  .option('--rounds <n>', 'rounds', number, 7)
  .action(benchFormats);

console.log(
  `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${availableParallelism()} cores, Node ${process.version}; ` +
    `npm run bench -- ${process.argv.slice(2).join(' ')}\n`,
);
await program.parseAsync();
