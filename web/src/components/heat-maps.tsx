// Where the last token looks in every layer of the unpruned model.
import { useEffect, useRef } from 'preact/hooks';
import { busy, look, maps, picture } from '../state.js';

/** Viridis at eleven places (Van der Walt and Smith, 2015): as readable in grey as in colour. */
const VIRIDIS = [
  [68, 1, 84],
  [72, 36, 117],
  [65, 68, 135],
  [53, 95, 141],
  [42, 120, 142],
  [33, 145, 140],
  [34, 168, 132],
  [68, 191, 112],
  [122, 209, 81],
  [189, 223, 38],
  [253, 231, 37],
] as const;

export function HeatMaps() {
  const { value: shown } = maps;
  const scale = shown === undefined ? 1 : endOf(shown.layers);
  return (
    <section aria-label="Attention">
      <h2>Where the last token looks</h2>
      <p class="hint">
        Attention of the prompt’s last token to each patch, in the unpruned model: what FastV ranks by at
        layer K − 1.
      </p>
      <button type="button" disabled={busy.value || picture.value === undefined} onClick={() => void look()}>
        {shown === undefined ? 'Show the maps' : 'Show them again'}
      </button>
      {shown !== undefined && (
        <>
          <ul class="maps">
            {shown.layers.map((values, layer) => (
              <li key={layer}>
                <Map values={values} rows={shown.rows} columns={shown.columns} end={scale} layer={layer} />
                <span>
                  layer {layer}: {(100 * sum(values)).toFixed(0)} % on the image
                </span>
              </li>
            ))}
          </ul>
          <p class="scale">
            <span>0</span>
            <span class="viridis" aria-hidden="true" />
            <span>≥ {scale.toFixed(1)} times the layer’s mean patch</span>
          </p>
        </>
      )}
    </section>
  );
}

interface MapProps {
  readonly values: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly end: number;
  readonly layer: number;
}

function Map({ values, rows, columns, end, layer }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context === null || context === undefined) return;
    const image = context.createImageData(columns, rows);
    relative(values).forEach((value, i) => {
      image.data.set([...colour(value / end), 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }, [values, rows, columns, end]);
  return (
    <canvas
      ref={canvas}
      width={columns}
      height={rows}
      role="img"
      aria-label={`attention map of layer ${layer}`}
    />
  );
}

/** Times the layer's own mean. */
function relative(values: readonly number[]): number[] {
  const mean = sum(values) / Math.max(1, values.length);
  return values.map((value) => (mean === 0 ? 0 : value / mean));
}

/** Where the scale ends: half a percent of all patches may be beyond, so that one that gathers attention darkens none. */
function endOf(layers: readonly (readonly number[])[]): number {
  const all = layers.flatMap(relative).sort((a, b) => a - b);
  return Math.max(1.2, all[Math.floor(0.995 * (all.length - 1))] ?? 1.2);
}

function colour(share: number): readonly [number, number, number] {
  const at = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const low = VIRIDIS[Math.floor(at)] ?? VIRIDIS[0];
  const high = VIRIDIS[Math.ceil(at)] ?? low;
  const part = at - Math.floor(at);
  const mix = (c: 0 | 1 | 2): number => Math.round(low[c] + part * (high[c] - low[c]));
  return [mix(0), mix(1), mix(2)];
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
