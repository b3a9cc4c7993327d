/**
 * Plots as SVG text and as PNG, drawn by Observable Plot on a document that is none.
 *
 * Every picture stands for itself: its title, what it shows, its key and its scale bar are inside it.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { printable } from './escape.js';
import { keyMarks, keyRows, KEY_ROW, type KeyEntry } from './key.js';
import { scaleBarMarks, SCALE_BAR_HEIGHT, type ScaleBar } from './scale-bar.js';
import { wrapText } from './text-width.js';
import { FONT, FONT_SIZE, GROUND, INK, MUTED, TITLE_SIZE, WIDTH } from './theme.js';

/** A plot with what explains it. Sizes of the plot are those of the drawing alone. */
export interface Picture extends Omit<Plot.PlotOptions, 'width' | 'height' | 'title'> {
  /** Shown above the drawing, and the SVG's own title. */
  readonly title: string;
  /** What is shown and how to read it; beneath the title, and the SVG's own description. */
  readonly note: string;
  /** Height of the drawing with its axes. */
  readonly height: number;
  /** What the axis is whose name stands above the drawing. */
  readonly yLabel?: string;
  readonly key?: readonly KeyEntry[];
  readonly scaleBar?: ScaleBar;
}

const EDGE = 12;
const TITLE_LINE = 20;
const NOTE_LINE = 16;
const LABEL_LINE = 22;

/** Draws a picture. @returns one SVG element that stands for itself: white ground, no script, no links */
export function plotSvg({ title, note, yLabel, key = [], scaleBar, ...options }: Picture): string {
  const titles = wrapText(title, WIDTH - 2 * EDGE, TITLE_SIZE);
  const notes = wrapText(note, WIDTH - 2 * EDGE);
  const rows = keyRows(key, WIDTH - 2 * EDGE);
  const notesAt = EDGE + TITLE_LINE * titles.length;
  const keyAt = notesAt + NOTE_LINE * notes.length + 6;
  const labelAt = keyAt + KEY_ROW * rows.length;
  const head = labelAt + (yLabel === undefined ? 0 : LABEL_LINE);
  const foot = scaleBar === undefined ? 0 : SCALE_BAR_HEIGHT;
  const height = head + options.height + foot;
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const common = { document, width: WIDTH, height, style: { fontFamily: FONT, fontSize: `${FONT_SIZE}px` } };
  const drawing = svgOf({
    ...options,
    ...common,
    marginTop: head + (options.marginTop ?? 20),
    marginBottom: foot + (options.marginBottom ?? 30),
  });
  // what explains it, in pixels
  const frame = svgOf({
    ...common,
    x: { type: 'identity', axis: null },
    y: { type: 'identity', axis: null },
    marks: [
      lines(titles, EDGE, TITLE_LINE, { fontSize: TITLE_SIZE, fontWeight: 'bold', fill: INK }),
      lines(notes, notesAt, NOTE_LINE, { fill: MUTED }),
      ...keyMarks(rows, EDGE, keyAt),
      // Plot itself would put it above the title
      ...(yLabel === undefined ? [] : [lines([yLabel], labelAt, LABEL_LINE, { fill: INK })]),
      ...(scaleBar === undefined ? [] : scaleBarMarks(scaleBar, 2 * EDGE, height - SCALE_BAR_HEIGHT)),
    ],
  });
  const element = (name: string, attributes: Readonly<Record<string, string>>, text = ''): Element => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  drawing.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  drawing.setAttribute('role', 'img');
  drawing.setAttribute('color', INK);
  drawing.prepend(
    element('title', {}, title),
    element('desc', {}, note),
    element('rect', { width: '100%', height: '100%', fill: GROUND }),
  );
  drawing.append(...[...frame.children].filter((child) => child.tagName.toLowerCase() !== 'style'));
  return printable(drawing.outerHTML);
}

function svgOf(options: Plot.PlotOptions): Element {
  const element = Plot.plot(options);
  if (element.tagName.toLowerCase() !== 'svg')
    throw new Error('the plot has parts outside its SVG: leave legends and titles out');
  return element;
}

function lines(texts: readonly string[], top: number, height: number, style: Plot.TextOptions): Plot.Markish {
  return Plot.text(
    texts.map((text, i) => ({ text, y: top + height * (i + 0.5) })),
    { ...style, x: EDGE, y: 'y', text: 'text', textAnchor: 'start' },
  );
}

/** An SVG as PNG, twice as large by default so that it is sharp in a paper. */
export async function svgToPng(svg: string, scale = 2): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: 72 * scale })
    .png()
    .toBuffer();
}

/** Labels that would lie on one another are moved apart: positions at least `gap` from each other, order kept. */
export function spreadLabels(positions: readonly number[], gap: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0));
  const out = [...positions];
  // clusters of touching labels, each centred on where its labels would be
  interface Cluster {
    members: number[];
    start: number;
  }
  const clusters: Cluster[] = [];
  for (const i of order) {
    let cluster: Cluster = { members: [i], start: positions[i] ?? 0 };
    for (let before = clusters.at(-1); before !== undefined; before = clusters.at(-1)) {
      if (before.start + gap * before.members.length <= cluster.start) break;
      clusters.pop();
      const members = [...before.members, ...cluster.members];
      const center = members.reduce((sum, m, k) => sum + (positions[m] ?? 0) - k * gap, 0) / members.length;
      cluster = { members, start: center };
    }
    clusters.push(cluster);
  }
  for (const { members, start } of clusters) members.forEach((m, k) => (out[m] = start + k * gap));
  return out;
}
