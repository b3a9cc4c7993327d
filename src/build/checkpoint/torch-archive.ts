// pytorch_model.bin: a zip with one pickle, which says what the tensors are, and a member a storage.
import { printable } from '../../printable.js';
import { readPickle, type PickledTensor } from './pickle.js';
import { broken, FLOAT_FORMATS, type RandomAccess, type StoredTensor } from './stored-tensor.js';
import { Zip } from './zip.js';

/** The longest pickle that is read; it has some 200 bytes a tensor. */
const MAX_PICKLE = 8 * 2 ** 20;

/**
 * The tensors of a file, by name. Those of other formats than floats are left out: they are no weights.
 * @throws {FastvError} `malformed-model`; so are files of PyTorch before 1.6, which are no zip
 */
export async function readTorchArchive(file: RandomAccess): Promise<Map<string, StoredTensor>> {
  const { where } = file;
  const zip = await Zip.open(file);
  const pickle = [...zip.names].find((name) => /^[^/]+\/data\.pkl$/u.test(name));
  if (pickle === undefined)
    throw broken(where, 'the archive has no data.pkl, so torch.save did not write it');
  const { offset, length } = await zip.locate(pickle);
  if (length > MAX_PICKLE) throw broken(where, `its pickle has ${length} bytes`);
  const folder = pickle.slice(0, -'data.pkl'.length);
  if ([...zip.names].includes(`${folder}byteorder`)) {
    const order = await zip.locate(`${folder}byteorder`);
    const text = new TextDecoder().decode(await file.read(order.offset, Math.min(order.length, 16)));
    if (text !== 'little')
      throw broken(where, 'its numbers have another byte order', 'Save it on another machine.');
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of readPickle(await file.read(offset, length), where)) {
    const { format, key } = tensor.storage;
    const width = FLOAT_FORMATS.get(format)?.width;
    if (width === undefined) continue;
    const member = await zip.locate(`${folder}data/${key}`);
    tensors.set(
      name,
      place(tensor, width, member, (what) => broken(where, `the tensor "${printable(name)}" ${what}`)),
    );
  }
  return tensors;
}

function place(
  { storage, offset, dims, strides }: PickledTensor,
  width: number,
  member: { readonly offset: number; readonly length: number },
  refuse: (what: string) => Error,
): StoredTensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  let step = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const dim = dims[axis] ?? 0;
    if (dim !== 1 && count > 0 && strides[axis] !== step) throw refuse('is not laid out row by row');
    step *= dim;
  }
  if (storage.length * width !== member.length) {
    throw refuse(`has a storage of ${storage.length} elements in ${member.length} bytes`);
  }
  if (offset + count > storage.length) throw refuse('lies beyond its storage');
  return { format: storage.format, dims, offset: member.offset + offset * width, length: count * width };
}
