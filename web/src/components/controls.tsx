// The question, and how much is pruned where.
import { busy, bundledPicture, change, compare, model, settings } from '../state.js';
import { CUTS, STRATEGIES, type Cut } from '../settings.js';

const CUT_NAMES: Readonly<Record<Cut, string>> = {
  fastv: 'FastV: one cut, at layer K',
  pyramid: 'Pyramid: half of the rest at ¼, ½ and ¾ of the depth',
  late: 'Late: 90 % at half of the depth',
};

export function Controls() {
  const { question, ratio, layer, strategy, cut } = settings.value;
  const deepest = Math.max(1, (model.value?.depth ?? 10) - 1);
  const one = cut === 'fastv';
  return (
    <form
      class="controls"
      aria-label="Question and pruning"
      onSubmit={(event) => {
        event.preventDefault();
        void compare();
      }}
    >
      <label class="wide">
        Question
        <span class="row">
          <input
            type="text"
            name="question"
            maxLength={500}
            value={question}
            onInput={(event) => {
              change({ question: event.currentTarget.value });
            }}
          />
          <button type="submit" class="main">
            Ask
          </button>
        </span>
      </label>
      <div class="row wide" role="group" aria-label="Questions about this picture">
        {(bundledPicture.value?.questions ?? []).map(({ text, answer }) => (
          <button
            type="button"
            class="chip"
            key={text}
            title={`right: ${answer}`}
            onClick={() => {
              change({ question: text });
              void compare();
            }}
          >
            {text}
          </button>
        ))}
      </div>
      <label>
        <span>
          R, image tokens dropped: <strong>{Math.round(100 * ratio)} %</strong>
        </span>
        <input
          type="range"
          name="ratio"
          min="0"
          max="100"
          step="5"
          disabled={!one}
          value={Math.round(100 * ratio)}
          onInput={(event) => {
            change({ ratio: Number(event.currentTarget.value) / 100 }, true);
          }}
        />
      </label>
      <label>
        <span>
          K, layers that see them all: <strong>{layer}</strong>
        </span>
        <input
          type="range"
          name="layer"
          min="1"
          max={deepest}
          step="1"
          disabled={!one}
          value={layer}
          onInput={(event) => {
            change({ layer: Number(event.currentTarget.value) }, true);
          }}
        />
      </label>
      <label>
        Ranked by
        <select
          name="strategy"
          value={strategy}
          onChange={(event) => {
            const chosen = STRATEGIES.find((name) => name === event.currentTarget.value);
            if (chosen !== undefined) change({ strategy: chosen }, true);
          }}
        >
          {STRATEGIES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Where tokens go
        <select
          name="cut"
          value={cut}
          onChange={(event) => {
            const chosen = CUTS.find((name) => name === event.currentTarget.value);
            if (chosen !== undefined) change({ cut: chosen }, true);
          }}
        >
          {CUTS.map((name) => (
            <option key={name} value={name}>
              {CUT_NAMES[name]}
            </option>
          ))}
        </select>
      </label>
      <p class="hint wide" aria-live="polite">
        {busy.value ? 'Working …' : 'Move a slider: FastV answers again.'}
      </p>
    </form>
  );
}
