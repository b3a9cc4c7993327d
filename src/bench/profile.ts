// ONNX Runtime's own profile of a prefill, node by node.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import type { Device } from './devices.js';
import type { Feeds } from './feeds.js';
import type { DecoderInputs } from './inputs.js';
import { dispose, openDecoder, SESSION, type Source } from './sessions.js';
import { withTemporaryFolder } from './temporary-folder.js';

/** One node as it ran; ONNX Runtime may have fused several of the graph's into it, or added it. */
export interface ProfiledNode {
  readonly name: string;
  readonly operator: string;
  /** `CPUExecutionProvider`, `WebGpuExecutionProvider`, … */
  readonly provider: string;
  /** Mean microseconds of a run: on the GPU where it runs there and ONNX Runtime says so, else of the thread that calls. */
  readonly time: number;
  /** Element types of its inputs and outputs, as ONNX Runtime names them: `float`, `int64`, … */
  readonly types: readonly string[];
  /** Bytes of its inputs and outputs. */
  readonly bytes: { readonly inputs: number; readonly outputs: number };
}

/** Time and number of nodes by operator. */
export interface OperatorTime {
  readonly operator: string;
  readonly nodes: number;
  /** Microseconds. */
  readonly time: number;
}

/** An event of the file that ONNX Runtime writes. */
interface Event {
  readonly cat?: string;
  readonly name?: string;
  readonly dur?: number;
  readonly args?: {
    readonly op_name?: string;
    readonly node_index?: string;
    readonly provider?: string;
    readonly input_type_shape?: readonly TypeShape[];
    readonly output_type_shape?: readonly TypeShape[];
  };
}

/** `{ "float": [1, 640, 256] }` */
type TypeShape = Readonly<Record<string, readonly number[]>>;

/** What runs on the processor, in ONNX Runtime's words. */
export const PROCESSOR = 'CPUExecutionProvider';
const KERNEL_TIME = '_kernel_time';

/**
 * Profiles a decoder; one run before that warms up.
 * @param feeds made from what the decoder declares
 * @param runs over which times are averaged
 */
export async function profile(
  source: Source,
  feeds: (inputs: DecoderInputs) => Feeds,
  runs: number,
  device: Device = 'cpu',
): Promise<ProfiledNode[]> {
  return withTemporaryFolder(async (folder) => {
    const profiling = { ...SESSION, enableProfiling: true, profileFilePrefix: join(folder, 'profile') };
    const decoder = await openDecoder(source, device, profiling);
    try {
      const given = feeds(decoder.inputs);
      for (let run = 0; run <= runs; run++) dispose(await decoder.run(given));
      decoder.session.endProfiling();
    } finally {
      await decoder.session.release();
    }
    const [name] = await readdir(folder);
    if (name === undefined)
      throw new FastvError('io', 'ONNX Runtime wrote no profile', {
        where: folder,
        hint: 'Check that the disk is not full.',
      });
    return nodesOf(JSON.parse(await readFile(join(folder, name), 'utf8')) as Event[], runs);
  });
}

/** Sums a profile's events by node, the first run's left out. Every run has the same kernels. */
function nodesOf(events: readonly Event[], runs: number): ProfiledNode[] {
  const kernels = events.filter(({ cat, name }) => cat === 'Node' && name?.endsWith(KERNEL_TIME) === true);
  const onGpu = gpuTimes(events, runs);
  // beside the GPU's own times, the thread that hands work to it, or waits for it, has none
  const waits = ({ provider }: NonNullable<Event['args']>): boolean =>
    onGpu.size > 0 && provider !== PROCESSOR;
  const found = new Map<string, ProfiledNode>();
  for (const { name: event = '', dur = 0, args = {} } of kernels.slice(kernels.length / (runs + 1))) {
    // exporters give several nodes the same name, or none
    const key = `${event} ${args.node_index ?? ''}`;
    const [inputs, outputs] = [args.input_type_shape ?? [], args.output_type_shape ?? []];
    const name = event.slice(0, -KERNEL_TIME.length);
    found.set(key, {
      name,
      operator: args.op_name ?? 'unknown',
      provider: args.provider ?? 'unknown',
      time: onGpu.get(name) ?? (waits(args) ? 0 : (found.get(key)?.time ?? 0) + dur / runs),
      types: [...new Set([...inputs, ...outputs].flatMap((type) => Object.keys(type)))],
      bytes: { inputs: bytesOf(inputs), outputs: bytesOf(outputs) },
    });
  }
  return [...found.values()];
}

/** Mean microseconds of a run on the GPU, by the name of the node. Empty on the CPU, and on GPUs without clocks. */
function gpuTimes(events: readonly Event[], runs: number): Map<string, number> {
  const programs = new Map<string, number[]>();
  for (const { cat, name = '', dur = 0 } of events) {
    // "node&operator&program"
    if (cat !== 'Api' || !name.includes('&')) continue;
    const node = name.slice(0, name.indexOf('&'));
    programs.set(node, [...(programs.get(node) ?? []), dur]);
  }
  const sum = (times: readonly number[]): number => times.reduce((a, b) => a + b, 0);
  return new Map(
    [...programs].map(([node, times]) => [
      node,
      sum(times.slice(Math.floor(times.length / (runs + 1)))) / runs,
    ]),
  );
}

const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  uint64: 8,
  double: 8,
};

function bytesOf(tensors: readonly TypeShape[]): number {
  let sum = 0;
  for (const tensor of tensors) {
    for (const [type, shape] of Object.entries(tensor)) {
      sum += (ELEMENT_BYTES[type] ?? 4) * shape.reduce((a, b) => a * b, 1);
    }
  }
  return sum;
}

/** Whether the rewrite added a node. */
export function isAdded({ name }: ProfiledNode): boolean {
  return name.startsWith('fastv/');
}

/** Sums by operator, the largest first. */
export function byOperator(nodes: readonly ProfiledNode[]): OperatorTime[] {
  const sums = new Map<string, OperatorTime>();
  for (const { operator, time } of nodes) {
    const sum = sums.get(operator) ?? { operator, nodes: 0, time: 0 };
    sums.set(operator, { operator, nodes: sum.nodes + 1, time: sum.time + time });
  }
  return [...sums.values()].sort((a, b) => b.time - a.time);
}

/** Microseconds of all nodes. */
export function totalTime(nodes: readonly ProfiledNode[]): number {
  return nodes.reduce((sum, { time }) => sum + time, 0);
}
