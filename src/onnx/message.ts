// Copies of protobuf messages. `create(schema, { ...message })` looks like one, but protobuf-es takes the spread for a
// message and gives it back as it is, without the defaults of the fields that are not set.
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';

/**
 * A shallow copy of a message with some fields changed.
 * @example
 * const named = withFields(NodeProtoSchema, node, { name: 'layer 2' });
 */
export function withFields<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  fields: Partial<MessageShape<Desc>>,
): MessageShape<Desc> {
  return Object.assign(create(schema), message, fields);
}
