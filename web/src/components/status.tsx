// What runs where, how far a load has come, and what went wrong.
import { device, model, noWebGpu, problem, progress } from '../state.js';

export function Status() {
  const { value: loaded } = model;
  const { value: so_far } = progress;
  const threads = loaded?.threads ?? 1;
  const reason = noWebGpu.value;
  const onGpu = device.value === 'webgpu';
  const where = onGpu
    ? 'WebGPU'
    : `WebAssembly, ${threads === 1 ? 'one thread' : `${threads} threads`}${crossOriginIsolated ? '' : ' (the page is not isolated)'}`;
  return (
    <div class="status">
      <p role="status">
        {so_far !== undefined
          ? `Loading the model: ${megabytes(so_far.loaded)} of ${megabytes(so_far.total)}`
          : loaded === undefined
            ? problem.value === ''
              ? 'Preparing the model …'
              : 'No model is loaded.'
            : `Runs on ${where}. ${reason === undefined ? '' : onGpu ? `It is slow: ${reason}.` : `No WebGPU: ${reason}.`}`}
      </p>
      {loaded?.warnings.map((warning) => (
        <p key={warning}>{warning}</p>
      ))}
      {so_far !== undefined && (
        <progress aria-label="bytes of the model" value={so_far.loaded} max={Math.max(so_far.total, 1)} />
      )}
    </div>
  );
}

export function Problem() {
  const { value: text } = problem;
  return (
    <div role="alert" class={text === '' ? '' : 'problem'}>
      {text}
    </div>
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
