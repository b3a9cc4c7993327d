/**
 * One HTML document that needs nothing else and asks nobody: reports are made of it. It may run the script that it
 * is given and none beside it; pictures are inside it.
 */
import { createHash } from 'node:crypto';
import { escapeHtml } from './escape.js';
import { INK } from './theme.js';

export interface Page {
  readonly title: string;
  /** HTML; what is data in it has been escaped. */
  readonly body: string;
  /** Rules besides those that all pages have. */
  readonly style?: string;
  readonly script?: string;
}

/** Colours of text and lines on a light and on a dark screen; plots keep their white ground. */
const STYLE = `
:root { color-scheme: light dark; --ink: ${INK}; --ground: #fff; --muted: #555; --line: #d9d9d9; --mark: #eef5fb;
  --link: #0b5394; --right: #00693e; --wrong: #b03000; --bar: #cfe0f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --ground: #161616; --muted: #aaa; --line: #444;
  --mark: #1c2b3a; --link: #8cc0f0; --right: #57c76f; --wrong: #f0a04b; --bar: #24405e; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: var(--ink); background: var(--ground); max-width: 1000px;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
img { max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { padding: .22rem .7rem; text-align: right; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
table:not(.text) td:not(:first-child) { white-space: nowrap; }
tfoot td { font-weight: bold; border-top: 1px solid var(--muted); }
.wide { overflow-x: auto; }
figure { margin: 1rem 0; }
figcaption, .note, small, footer { color: var(--muted); font-size: .87rem; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
.unit { white-space: nowrap; }
`;

/** The document. */
export function htmlPage({ title, body, style = '', script }: Page): string {
  const hash = script === undefined ? '' : createHash('sha256').update(script).digest('base64');
  const scripts = script === undefined ? '' : `; script-src 'sha256-${hash}'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'${scripts}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
${body}
${script === undefined ? '' : `<script>${script}</script>\n`}</body>
</html>
`;
}

/** A PNG as an image. @param alt what it shows; empty if the text beside it says so */
export function pngImage(png: Uint8Array, alt: string, className?: string): string {
  const mark = className === undefined ? '' : ` class="${escapeHtml(className)}"`;
  return `<img${mark} alt="${escapeHtml(alt)}" src="data:image/png;base64,${Buffer.from(png).toString('base64')}">`;
}

/** Text that is not broken at its end of a line: a number and its unit. @returns HTML */
export function unbroken(text: string): string {
  return escapeHtml(text).replace(/ /g, '&nbsp;');
}
