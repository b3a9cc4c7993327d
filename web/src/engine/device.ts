// What this browser can run models on, and which weights suit that.
import { BUNDLED, type Device, type Dtype } from './types.js';

/** Why there is no WebGPU, or undefined where there is. */
export async function withoutWebGpu(): Promise<string | undefined> {
  // TypeScript knows it as always there
  const { gpu } = navigator as { readonly gpu?: Navigator['gpu'] };
  if (gpu === undefined) return 'this browser has no WebGPU';
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return 'this browser finds no GPU';
  return adapter.info.isFallbackAdapter ? 'this browser only imitates a GPU' : undefined;
}

/** Weights that are fast on a device: the bundled model has two kinds, models of the hub usually have these. */
export function dtypeFor(model: string, device: Device): Dtype {
  if (model === BUNDLED) return device === 'webgpu' ? 'fp32' : 'q8';
  return device === 'webgpu' ? 'q4f16' : 'q4';
}
