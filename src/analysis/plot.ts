/** Plots as SVG text and as PNG, drawn by Observable Plot on a document that is none. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';

/** Colours of series, told apart also by those who see few (Okabe and Ito, 2008). */
export const COLORS = {
  attention: '#0072b2',
  random: '#d55e00',
  grid: '#e69f00',
  downsample: '#009e73',
  unpruned: '#222222',
} as const;

/** Draws a plot. @returns one SVG element that stands for itself: white ground, no script, no links */
export function plotSvg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const element = Plot.plot({
    ...options,
    document: document,
    style: {
      fontFamily: 'Helvetica, Arial, sans-serif',
      fontSize: '12px',
      ...(options.style as object | undefined),
    },
  });
  if (element.tagName.toLowerCase() !== 'svg')
    throw new Error('the plot has parts outside its SVG: leave legends and titles out');
  element.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const ground = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  for (const [name, value] of [
    ['width', '100%'],
    ['height', '100%'],
    ['fill', '#ffffff'],
  ] as const)
    ground.setAttribute(name, value);
  element.querySelector('style')?.after(ground);
  return element.outerHTML.replace(/currentColor/g, '#222222');
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
