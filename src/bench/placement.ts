// What ONNX Runtime leaves on the processor of a decoder that runs on a GPU, and what crosses between the two.
import type { GraphView } from '../onnx/index.js';
import { EMBEDS } from '../decoder/contract.js';
import { dependents } from '../decoder/dependence.js';
import { isAdded, PROCESSOR, type ProfiledNode } from './profile.js';
import { markdownTable } from './table.js';

/**
 * The part of the graph that a node belongs to:
 * - `layers`: what is computed from the embeddings, a token after the other;
 * - `prologue`: masks, lengths, positions, which are computed once a call from the other inputs;
 * - `rewrite`: what the rewrite added, which ranks, selects, gathers, and makes the prologue anew;
 * - `unnamed`: ONNX Runtime made it of nodes that it does not name.
 */
export type Part = 'layers' | 'prologue' | 'rewrite' | 'unnamed';

/** Nodes of one kind on the processor. */
export interface OnProcessor {
  readonly operator: string;
  readonly part: Part;
  readonly nodes: number;
  /** Why they are there, as far as their types and sizes tell. */
  readonly reason: Reason;
}

export type Reason =
  'float64' | 'int8' | 'shape' | 'a few numbers' | 'int64 or bool, a number a token' | 'operator';

/** Tensors that are copied one way while the graph runs. */
export interface Copies {
  readonly count: number;
  readonly bytes: number;
  /** Bytes of the largest. */
  readonly largest: number;
}

/** Where a decoder's nodes run. */
export interface Placement {
  readonly nodes: { readonly gpu: number; readonly processor: number };
  readonly onProcessor: readonly OnProcessor[];
  /** Copies to the processor make it wait until the GPU has come that far; copies to the GPU don't. */
  readonly copies: { readonly toProcessor: Copies; readonly toGpu: Copies };
  /** Bytes of the largest tensor inside the layers: what a copy that hurts would have. */
  readonly largestActivation: number;
}

const [TO_PROCESSOR, TO_GPU] = ['MemcpyToHost', 'MemcpyFromHost'];

/**
 * Tells where nodes ran.
 * @param nodes the profile of a run on a GPU
 * @param view the graph that ran
 */
export function placementOf(nodes: readonly ProfiledNode[], view: GraphView): Placement {
  const activations = dependents(view, [EMBEDS]).nodes;
  const parts = new Map(
    view.nodes.map((node): [string, Part] => [node.name, activations.has(node) ? 'layers' : 'prologue']),
  );
  const partOf = (node: ProfiledNode): Part =>
    isAdded(node) ? 'rewrite' : (parts.get(node.name) ?? 'unnamed');
  const copies = (operator: string | undefined): Copies => {
    const sizes = nodes.filter((node) => node.operator === operator).map(({ bytes }) => bytes.outputs);
    return {
      count: sizes.length,
      bytes: sizes.reduce((a, b) => a + b, 0),
      largest: Math.max(0, ...sizes),
    };
  };
  const computing = nodes.filter(({ operator }) => operator !== TO_PROCESSOR && operator !== TO_GPU);
  const there = computing.filter(({ provider }) => provider === PROCESSOR);
  const kinds = new Map<string, OnProcessor>();
  for (const node of there) {
    const kind = { operator: node.operator, part: partOf(node), reason: reasonOf(node) };
    const key = Object.values(kind).join('|');
    kinds.set(key, { ...kind, nodes: (kinds.get(key)?.nodes ?? 0) + 1 });
  }
  return {
    nodes: { gpu: computing.length - there.length, processor: there.length },
    onProcessor: [...kinds.values()],
    copies: { toProcessor: copies(TO_PROCESSOR), toGpu: copies(TO_GPU) },
    largestActivation: Math.max(
      0,
      ...computing.filter((node) => partOf(node) === 'layers').map(({ bytes }) => bytes.outputs),
    ),
  };
}

/** So many bytes of indices are a shape or a length, not something for every token. */
const FEW = 64;

/** The first rule that fits; the GPU's provider itself doesn't say. */
function reasonOf({ operator, types, bytes }: ProfiledNode): Reason {
  if (types.includes('double')) return 'float64';
  if (types.includes('int8') || types.includes('uint8')) return 'int8';
  if (operator === 'Shape' || operator === 'Size') return 'shape';
  const integers = types.includes('int64') || types.includes('bool');
  if (integers && Math.max(bytes.inputs, bytes.outputs) <= FEW) return 'a few numbers';
  return integers && !types.some((type) => type.startsWith('float'))
    ? 'int64 or bool, a number a token'
    : 'operator';
}

/** What {@link Reason}s mean. */
const REASONS: Readonly<Record<Reason, string>> = {
  float64: 'float64: GPUs have none',
  int8: 'no kernel for products of 8-bit integers',
  shape: 'reads a shape, no data',
  'a few numbers': 'shapes and lengths: integers that ONNX Runtime keeps on the processor',
  'int64 or bool, a number a token': 'int64 or bool for every token: no kernel',
  operator: 'no kernel for this operator with these types',
};

const PARTS: Readonly<Record<Part, string>> = {
  layers: '**inside the layers**',
  prologue: 'before the layers: masks, lengths, positions',
  rewrite: 'added by the rewrite',
  unnamed: 'made by ONNX Runtime',
};

/** Two tables in Markdown: node types on the processor, and copies. */
export function placementTables(original: Placement, rewritten: Placement): string {
  const groups = (Object.keys(PARTS) as Part[]).flatMap((part) =>
    (Object.keys(REASONS) as Reason[]).map((reason) => ({ part, reason })),
  );
  const both = (of: (placement: Placement) => number | string): string[] => [
    String(of(original)),
    String(of(rewritten)),
  ];
  const nodes = markdownTable(
    ['nodes on the processor', 'original', 'rewritten', 'node types', 'why'],
    [
      ...groups.flatMap(({ part, reason }) => {
        const [before, after] = [original, rewritten].map(({ onProcessor }) =>
          onProcessor.filter((kind) => kind.part === part && kind.reason === reason),
        );
        const types = after === undefined || after.length === 0 ? before : after;
        if (types === undefined || types.length === 0) return [];
        const count = (kinds: readonly OnProcessor[] = []): string => String(sum(kinds));
        const named = [...types].sort((a, b) => b.nodes - a.nodes);
        const list = named.map(({ operator, nodes: n }) => (n === 1 ? operator : `${n} ${operator}`));
        return [[PARTS[part], count(before), count(after), list.join(', '), REASONS[reason]]];
      }),
      ['all', ...both((placement) => placement.nodes.processor), '', ''],
      ['(nodes on the GPU)', ...both((placement) => placement.nodes.gpu), '', ''],
    ],
  );
  const describe = ({ count, bytes, largest }: Copies): string =>
    count === 0 ? 'none' : `${count}, ${bytes} bytes, the largest ${largest}`;
  const copies = markdownTable(
    ['copies in a prefill', 'original', 'rewritten'],
    [
      ['to the processor', ...both(({ copies: { toProcessor } }) => describe(toProcessor))],
      ['to the GPU', ...both(({ copies: { toGpu } }) => describe(toGpu))],
      ['(bytes of the largest activation)', ...both(({ largestActivation }) => largestActivation)],
    ],
  );
  return `${nodes}\n\n${copies}`;
}

function sum(kinds: readonly OnProcessor[]): number {
  return kinds.reduce((all, { nodes }) => all + nodes, 0);
}
