// Declarations of graph inputs and outputs.
import { create } from './message.js';
import { ValueInfoProtoSchema, type ValueInfoProto } from './schema.js';
import type { DataType } from './tensor.js';

/**
 * The declaration of a graph input or output; a string is a symbolic axis, no axes say nothing of its shape.
 * @example
 * const mask = valueInfo('image_token_mask', DataType.BOOL, ['batch', 'sequence']);
 */
export function valueInfo(
  name: string,
  elemType: DataType,
  axes?: readonly (string | number)[],
): ValueInfoProto {
  const dim = axes?.map((axis) =>
    typeof axis === 'string'
      ? { value: { case: 'dimParam' as const, value: axis } }
      : { value: { case: 'dimValue' as const, value: BigInt(axis) } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: { case: 'tensorType', value: { elemType, ...(dim === undefined ? {} : { shape: { dim } }) } },
    },
  });
}

/**
 * A declaration with other names for its axes.
 * @param rename gives an axis's new name, or the old one to leave it; '' is the name of an axis that has none
 * @example
 * const kept = renameAxes(output, (symbol) => (symbol === 'sequence_length' ? 'kept_length' : symbol));
 */
export function renameAxes(
  info: ValueInfoProto,
  rename: (symbol: string, axis: number) => string,
): ValueInfoProto {
  const type = info.type?.value;
  if (type?.case !== 'tensorType') return info;
  const dim = (type.value.shape?.dim ?? []).map(({ value }, axis) => {
    const old = value.case === 'dimParam' ? value.value : '';
    const symbol = rename(old, axis);
    return symbol === old ? { value } : { value: { case: 'dimParam' as const, value: symbol } };
  });
  return create(ValueInfoProtoSchema, {
    name: info.name,
    docString: info.docString,
    type: { value: { case: 'tensorType', value: { elemType: type.value.elemType, shape: { dim } } } },
  });
}
