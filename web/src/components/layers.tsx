// What each layer saw, as bars, with a scrubber: the picture above shows the patches of the layer that it stands at.
import { pruned, shownLayer } from '../state.js';

export function Layers() {
  const { answered } = pruned.value;
  if (answered === undefined || answered.layerTokens.length === 0) return null;
  const { layerTokens } = answered;
  const most = Math.max(...layerTokens);
  const last = layerTokens.length - 1;
  const at = Math.min(shownLayer.value ?? last, last);
  return (
    <section aria-label="Layers">
      <h2>What each layer sees</h2>
      <div class="layers" aria-hidden="true">
        {layerTokens.map((tokens, layer) => (
          <span key={layer} class={layer === at ? 'at' : ''}>
            <span style={{ height: `${(100 * tokens) / most}%` }} />
          </span>
        ))}
      </div>
      <label>
        <span>
          Layer <strong>{at}</strong> of {layerTokens.length}, counted from 0: {layerTokens[at]} tokens
        </span>
        <input
          type="range"
          name="shown-layer"
          min="0"
          max={last}
          step="1"
          value={at}
          onInput={(event) => {
            shownLayer.value = Number(event.currentTarget.value);
          }}
        />
      </label>
    </section>
  );
}
