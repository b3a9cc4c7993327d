// Both answers side by side, with what each took.
import type { Answered } from '../engine/types.js';
import { bundledPicture, original, pruned, settings, type Side } from '../state.js';

export function Answers() {
  const [first, second] = [original.value.answered, pruned.value.answered];
  const right = bundledPicture.value?.questions.find(({ text }) => text === settings.value.question)?.answer;
  return (
    <section aria-label="Answers">
      <div class="sides">
        <Column name="Original" side={original.value} of={first} against={second} right={right} />
        <Column name="FastV" side={pruned.value} of={second} against={first} right={right} />
      </div>
      <Verdict first={first} second={second} done={pruned.value.state === 'done'} />
      {right !== undefined && (
        <p class="hint">
          Right: <strong>{right}</strong>
        </p>
      )}
    </section>
  );
}

interface VerdictProps {
  readonly first: Answered | undefined;
  readonly second: Answered | undefined;
  readonly done: boolean;
}

/** Both in one sentence, when both have answered. */
function Verdict({ first, second, done }: VerdictProps) {
  if (!done || first === undefined || second === undefined) return null;
  const times = first.ttft / second.ttft;
  const same = first.text.trim() === second.text.trim();
  const quicker = times >= 1.05 ? `${times.toFixed(1)} times as soon` : 'no sooner';
  return (
    <p class="verdict" role="status">
      FastV’s first token came <strong>{quicker}</strong>, from {second.keptImageTokens} of{' '}
      {second.imageTokens} image tokens; its answer is <strong>{same ? 'the same' : 'another one'}</strong>.
    </p>
  );
}

interface ColumnProps {
  readonly name: string;
  readonly side: Side;
  readonly of: Answered | undefined;
  readonly against: Answered | undefined;
  readonly right: string | undefined;
}

function Column({ name, side, of, against, right }: ColumnProps) {
  const longest = (key: 'ttft' | 'prefill' | 'tokensPerSecond'): number =>
    Math.max(of?.[key] ?? 0, against?.[key] ?? 0);
  const correct = side.state === 'done' && right !== undefined && side.text.trim() === right;
  return (
    <article aria-label={name} class="side" aria-busy={side.state === 'running'}>
      <h2>{name}</h2>
      <p class="answer" aria-live="polite">
        {side.text}
        {side.state === 'waiting' && <span class="hint">waits for the original …</span>}
        {side.state === 'running' && <span class="cursor" aria-hidden="true" />}
        {correct && <span class="tick"> ✓</span>}
      </p>
      <dl>
        <Bar name="First token" value={of?.ttft} most={longest('ttft')} text={(v) => `${v.toFixed(0)} ms`} />
        <Bar
          name="Prefill"
          value={of?.prefill}
          most={longest('prefill')}
          text={(v) => `${v.toFixed(0)} ms`}
        />
        <Bar
          name="FLOPs"
          value={of?.flopsRatio ?? undefined}
          most={1}
          text={(v) => `${(100 * v).toFixed(0)} %`}
        />
        <Bar
          name="KV cache"
          value={of?.kvBytes.pruned}
          most={of?.kvBytes.full ?? 1}
          text={(v) => `${(v / 1024).toFixed(0)} KiB`}
        />
        <Bar
          name="Image tokens"
          value={of?.keptImageTokens}
          most={of?.imageTokens ?? 1}
          text={(v) => `${v} of ${of?.imageTokens ?? 0}`}
        />
        <Bar
          name="Tokens/s"
          value={of?.tokensPerSecond ?? undefined}
          most={longest('tokensPerSecond')}
          text={(v) => v.toFixed(0)}
          none={of === undefined ? '–' : 'too short'}
        />
      </dl>
    </article>
  );
}

interface BarProps {
  readonly name: string;
  readonly value: number | undefined;
  readonly most: number;
  readonly text: (value: number) => string;
  /** What stands in the place of a value that there is none of. */
  readonly none?: string;
}

function Bar({ name, value, most, text, none = '–' }: BarProps) {
  const share = value === undefined || most === 0 ? 0 : Math.min(1, value / most);
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span class="bar" aria-hidden="true">
          <span style={{ width: `${100 * share}%` }} />
        </span>
        <span class="number">{value === undefined ? none : text(value)}</span>
      </dd>
    </div>
  );
}
