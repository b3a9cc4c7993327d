// Which model: the page's own, or one of the Hugging Face hub, whose size is shown before anything of it is fetched.
import { useState } from 'preact/hooks';
import { dtypeFor } from '../engine/device.js';
import { BUNDLED, type Dtype } from '../engine/types.js';
import { sizesOf } from '../hub-sizes.js';
import { DEVICES, isHubName } from '../settings.js';
import { busy, change, compare, device, forget, kept, noWebGpu, settings, use } from '../state.js';
import { megabytes } from './status.js';

export function ModelChoice() {
  const { model } = settings.value;
  const [name, setName] = useState(model === BUNDLED ? '' : model);
  const [sizes, setSizes] = useState<ReadonlyMap<Dtype, number>>();
  const [said, setSaid] = useState('');
  const lookUp = async (): Promise<void> => {
    setSizes(undefined);
    if (!isHubName(name)) {
      setSaid('A name on the hub looks like HuggingFaceTB/SmolVLM-256M-Instruct.');
      return;
    }
    setSaid('Asking the hub …');
    try {
      const found = await sizesOf(name);
      setSizes(found);
      setSaid(found.size === 0 ? 'This repository has no ONNX decoder for Transformers.js.' : '');
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    }
  };
  const fitting = dtypeFor(name, device.value);
  return (
    <section aria-label="Model">
      <h2>Model</h2>
      <p>
        Now:{' '}
        <strong>
          {model === BUNDLED ? `the bundled scenes model (${device.value === 'webgpu' ? 44 : 12} MB)` : model}
        </strong>{' '}
        {model !== BUNDLED && (
          <button
            type="button"
            disabled={busy.value}
            onClick={() => {
              change({ model: BUNDLED, dtype: 'auto' });
              void compare();
            }}
          >
            Back to the bundled one
          </button>
        )}
      </p>
      <form
        class="row"
        aria-label="A model of the hub"
        onSubmit={(event) => {
          event.preventDefault();
          void lookUp();
        }}
      >
        <label>
          A model of the Hugging Face hub, in Transformers.js’s layout
          <input
            type="text"
            name="hub"
            placeholder="HuggingFaceTB/SmolVLM-256M-Instruct"
            value={name}
            onInput={(event) => {
              setName(event.currentTarget.value.trim());
              setSizes(undefined);
              setSaid('');
            }}
          />
        </label>
        <button type="submit">Look up its size</button>
      </form>
      <p role="status">{said}</p>
      {sizes !== undefined && sizes.size > 0 && (
        <div class="row" role="group" aria-label="Weights">
          {[...sizes].map(([dtype, bytes]) => (
            <button
              type="button"
              key={dtype}
              disabled={busy.value}
              class={dtype === fitting ? 'main' : ''}
              onClick={() => {
                void use(name, dtype);
              }}
            >
              Load {dtype}: {megabytes(bytes)}
            </button>
          ))}
          <span class="hint">kept in the browser’s cache; marked: what suits {device.value}</span>
        </div>
      )}
      {kept.value.length > 0 && (
        <ul class="kept" aria-label="Models that this browser keeps">
          {kept.value.map(({ name: of, bytes }) => (
            <li key={of}>
              <span>
                {of}: {megabytes(bytes)} kept
              </span>
              <button
                type="button"
                aria-label={`Remove ${of} from the browser’s cache`}
                disabled={busy.value}
                onClick={() => void forget(of)}
              >
                Remove
              </button>
            </li>
          ))}
        </ul>
      )}
      <label>
        Runs on
        <select
          name="device"
          value={settings.value.device}
          onChange={(event) => {
            const chosen = DEVICES.find((one) => one === event.currentTarget.value) ?? 'auto';
            change(
              { device: chosen, dtype: settings.value.model === BUNDLED ? 'auto' : settings.value.dtype },
              true,
            );
          }}
        >
          <option value="auto">auto</option>
          <option value="wasm">WebAssembly</option>
          <option value="webgpu" disabled={noWebGpu.value === 'this browser has no WebGPU'}>
            WebGPU
          </option>
        </select>
      </label>
    </section>
  );
}
