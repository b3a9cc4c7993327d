// Half-precision numbers as the bits that ONNX stores: float16 (IEEE binary16) and bfloat16, both rounded to
// nearest, ties to even. Node 20 has no Float16Array, so tensors of either are Uint16Arrays.

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

function floatBits(value: number): number {
  floatView[0] = value;
  return bitsView[0] ?? 0;
}

/** Shifts `bits` right by `shift`, rounding to nearest, ties to even. */
function roundShift(bits: number, shift: number): number {
  const half = 2 ** (shift - 1);
  const low = bits % 2 ** shift;
  const high = Math.floor(bits / 2 ** shift);
  return low > half || (low === half && high % 2 === 1) ? high + 1 : high;
}

export function toFloat16Bits(value: number): number {
  const bits = floatBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  const mantissa = bits & 0x7fffff;
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent <= 0) {
    if (exponent < -10) return sign;
    return sign | roundShift(mantissa | 0x800000, 14 - exponent);
  }
  // a mantissa that rounds up to 1024 carries into the exponent, as it should
  return sign | (exponent * 1024 + roundShift(mantissa, 13));
}

export function fromFloat16Bits(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

export function toBfloat16Bits(value: number): number {
  return roundShift(floatBits(value), 16) & 0xffff;
}

export function fromBfloat16Bits(bits: number): number {
  bitsView[0] = (bits << 16) >>> 0;
  return floatView[0] ?? 0;
}

export type FloatType = 'float32' | 'float16' | 'bfloat16';

/** The bits of `values` in a 16-bit type. */
export function toHalfBits(
  type: 'float16' | 'bfloat16',
  values: ArrayLike<number>,
): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(Array.from(values), type === 'float16' ? toFloat16Bits : toBfloat16Bits);
}

/** The numbers that 16-bit `bits` stand for. */
export function fromHalfBits(
  type: 'float16' | 'bfloat16',
  bits: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  return Float32Array.from(Array.from(bits), type === 'float16' ? fromFloat16Bits : fromBfloat16Bits);
}

/** `values` as they are after storage in `type`. */
export function roundTo(type: FloatType, values: Float32Array): Float32Array {
  return type === 'float32' ? values : fromHalfBits(type, toHalfBits(type, values));
}
