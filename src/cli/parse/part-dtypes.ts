// The dtypes of a model's parts: one for all, or one a part.
import type { BuildDtype } from '../../build/build.js';
import { PART_DTYPES, PARTS, type PartDtype, type PartName } from '../../build/part-names.js';
import { refuse } from './refuse.js';

const isDtype = (text: string): text is PartDtype => PART_DTYPES.some((dtype) => dtype === text);
const isPart = (text: string): text is PartName => PARTS.some((part) => part === text);

/** Parts that are not named get fp32. @throws {FastvError} `invalid-option` */
export function partDtypes(value: string): BuildDtype {
  if (isDtype(value)) return value;
  const dtypes: Partial<Record<PartName, PartDtype>> = {};
  for (const entry of value.split(',')) {
    const [part = '', dtype = '', ...rest] = entry.split('=');
    if (!isPart(part) || !isDtype(dtype) || rest.length > 0) {
      const hint = `one of ${PART_DTYPES.join(', ')}, or parts with theirs: ${PARTS.map((name) => `${name}=q8`).join(',')}`;
      throw refuse('--dtype', value, 'dtype that can be built', hint);
    }
    dtypes[part] = dtype;
  }
  return dtypes;
}
