/** Looking into the SVG of a picture. */
import { parseHTML } from 'linkedom';

/** The parts of a picture. */
export class Svg {
  readonly #root: Element;

  constructor(svg: string) {
    const root = parseHTML(`<!doctype html><body>${svg}</body>`).document.querySelector('svg');
    if (root === null) throw new Error('there is no SVG');
    this.#root = root;
  }

  /** The groups that a mark was given this name for. */
  groups(name: string): Element[] {
    return [...this.#root.querySelectorAll('g')].filter((g) => g.getAttribute('aria-label') === name);
  }

  /** All text below the groups of a name, or of the whole picture. */
  texts(name?: string): string[] {
    const roots = name === undefined ? [this.#root] : this.groups(name);
    return roots.flatMap((g) => [...g.querySelectorAll('text')].map((t) => t.textContent));
  }

  /** Colours of the rectangles of a mark. */
  fills(name: string): string[] {
    return this.groups(name).flatMap((g) =>
      [...g.querySelectorAll('rect')].map((r) => r.getAttribute('fill') ?? ''),
    );
  }

  /** Names of all marks. */
  names(): string[] {
    return [...this.#root.querySelectorAll('g')].map((g) => g.getAttribute('aria-label') ?? '');
  }

  /** The first element of a name below the root itself. */
  child(tag: string): string {
    return [...this.#root.children].find((c) => c.tagName.toLowerCase() === tag)?.textContent ?? '';
  }

  get root(): Element {
    return this.#root;
  }
}

/** How far a colour is from grey, 0 to 255. @param color `rgb(r, g, b)` or `#rrggbb` */
export function strength(color: string): number {
  const channels = channelsOf(color);
  return Math.max(...channels) - Math.min(...channels);
}

/** Red, green and blue. */
export function channelsOf(color: string): number[] {
  return color.startsWith('#')
    ? [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
    : [...color.matchAll(/\d+/g)].map(Number);
}
