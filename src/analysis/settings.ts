/** Settings, however deeply they are nested, as rows of a name and its value. */

/** A name as `options › dtype`, and its value as text. */
export type Setting = readonly [name: string, value: string];

const BETWEEN = ' › ';

/** The settings of a value: an object's by their names, a list's of plain values in one row. */
export function settingsOf(name: string, value: unknown): readonly Setting[] {
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    if (list.every((item) => typeof item !== 'object' || item === null))
      return [[name, list.length === 0 ? 'none' : list.map(textOf).join(', ')]];
    return list.flatMap((item, i) => settingsOf(`${name}${BETWEEN}${i + 1}`, item));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => settingsOf(`${name}${BETWEEN}${key}`, inner));
  }
  return value === undefined ? [] : [[name, textOf(value)]];
}

function textOf(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
