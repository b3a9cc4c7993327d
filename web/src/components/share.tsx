// A link to what is shown, and the choice of light or dark.
import { useState } from 'preact/hooks';
import { settings } from '../state.js';

export function Share() {
  const [copied, setCopied] = useState('');
  const own = settings.value.picture === '';
  return (
    <section aria-label="Share" class="row">
      <button
        type="button"
        onClick={() => {
          navigator.clipboard.writeText(location.href).then(
            () => {
              setCopied('The link is copied.');
            },
            () => {
              setCopied('The link is in the address bar.');
            },
          );
        }}
      >
        Copy a link to this
      </button>
      <span role="status">{copied}</span>
      {own && <span class="hint">A picture of your own stays here; the link has the settings only.</span>}
    </section>
  );
}

const THEMES = ['auto', 'light', 'dark'] as const;
const KEPT = 'fastv-theme';

export function ThemeChoice() {
  const [theme, setTheme] = useState(
    () => THEMES.find((one) => one === localStorage.getItem(KEPT)) ?? 'auto',
  );
  document.documentElement.dataset['theme'] = theme;
  return (
    <label class="theme">
      Colours
      <select
        name="theme"
        value={theme}
        onChange={(event) => {
          const chosen = THEMES.find((one) => one === event.currentTarget.value) ?? 'auto';
          localStorage.setItem(KEPT, chosen);
          setTheme(chosen);
        }}
      >
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}
