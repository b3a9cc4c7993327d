// Times of this device, as a table that can be copied.
import { useState } from 'preact/hooks';
import { benchmark, busy, device, model, picture, REPEATS, settings, type Timing } from '../state.js';

export function Benchmark() {
  const [timings, setTimings] = useState<readonly Timing[]>([]);
  const [done, setDone] = useState('');
  const [copied, setCopied] = useState(false);
  const run = async (): Promise<void> => {
    setCopied(false);
    try {
      setTimings(
        await benchmark((runs, of) => {
          setDone(`Run ${runs} of ${of}`);
        }),
      );
      setDone('');
    } catch (error) {
      setDone(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <section aria-label="Benchmark">
      <h2>Benchmark this device</h2>
      <p class="hint">
        R = 0, 50 and 75 % in turns, {REPEATS} runs each, medians; K = {settings.value.layer}.
      </p>
      <div class="row">
        <button type="button" disabled={busy.value || picture.value === undefined} onClick={() => void run()}>
          Run
        </button>
        <span role="status">{done}</span>
      </div>
      {timings.length > 0 && (
        <>
          <table>
            <thead>
              <tr>
                <th scope="col">R</th>
                <th scope="col">image tokens</th>
                <th scope="col">FLOPs</th>
                <th scope="col">prefill</th>
                <th scope="col">first token</th>
              </tr>
            </thead>
            <tbody>
              {rowsOf(timings).map(([ratio, ...cells]) => (
                <tr key={ratio}>
                  <th scope="row">{ratio}</th>
                  {cells.map((cell, i) => (
                    <td key={i}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          <button
            type="button"
            onClick={() => {
              void navigator.clipboard.writeText(markdown(timings)).then(() => {
                setCopied(true);
              });
            }}
          >
            {copied ? 'Copied' : 'Copy as Markdown'}
          </button>
        </>
      )}
    </section>
  );
}

function rowsOf(timings: readonly Timing[]): readonly (readonly string[])[] {
  const [unpruned] = timings;
  const times = (value: number, base: number | undefined): string =>
    `${value.toFixed(0)} ms${base === undefined || value === 0 ? '' : ` (${(base / value).toFixed(2)}x)`}`;
  return timings.map(({ ratio, kept, imageTokens, flopsRatio, prefill, ttft }) => [
    `${Math.round(100 * ratio)} %`,
    `${kept} of ${imageTokens}`,
    flopsRatio === null ? '–' : `${(100 * flopsRatio).toFixed(0)} %`,
    times(prefill, unpruned?.prefill),
    times(ttft, unpruned?.ttft),
  ]);
}

function markdown(timings: readonly Timing[]): string {
  const { model: name, layer } = settings.value;
  const head = ['R', 'image tokens', 'FLOPs', 'prefill', 'first token'];
  const lines = [head, head.map(() => '---'), ...rowsOf(timings)].map((cells) => `| ${cells.join(' | ')} |`);
  const where = `${device.value}, ${model.value?.threads ?? 1} threads, ${navigator.hardwareConcurrency} processors`;
  return `${lines.join('\n')}\n\n${name}, K = ${layer}, ${where}, ${new Date().toISOString().slice(0, 10)}, ${navigator.userAgent}\n`;
}
