// Reads a node's attributes, with the default that the operator's documentation gives.
import { AttributeProto_AttributeType as AttributeType, type NodeProto } from './schema.js';

const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

/** The nearest integer that a number holds exactly: exporters write INT64_MAX for "to the end". */
function safe(value: bigint): number {
  return Number(value > LARGEST ? LARGEST : value < -LARGEST ? -LARGEST : value);
}

/**
 * An integer attribute, or the fallback if the node does not have it.
 * @example
 * const heads = intAttribute(node, 'num_heads', 0);
 */
export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const found = node.attribute.find((a) => a.name === name && a.type === AttributeType.INT);
  return found === undefined ? fallback : safe(found.i);
}

/**
 * A float attribute, or the fallback.
 * @example
 * const softcap = floatAttribute(node, 'softcap', 0);
 */
export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  const found = node.attribute.find((a) => a.name === name && a.type === AttributeType.FLOAT);
  return found === undefined ? fallback : found.f;
}

/**
 * A list of integers, or undefined.
 * @example
 * const order = intsAttribute(transpose, 'perm') ?? []; // [0, 2, 1, 3]
 */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  const found = node.attribute.find((a) => a.name === name && a.type === AttributeType.INTS);
  return found?.ints.map(safe);
}
