// A picture with the patches that are still seen: the others are dark and hatched, so that they can be told from a
// picture that is dark itself.
import { useEffect, useRef } from 'preact/hooks';
import type { Patches as Grid, Pixels } from '../engine/types.js';

/** Pixels of the longer side. */
const SIDE = 480;
const HATCH = 8;

interface Props {
  readonly pixels: Pixels;
  readonly alt: string;
  /** The grid of an image; none: the picture as it is. */
  readonly grid: Grid | undefined;
  /** Whether the model sees the middle square only. */
  readonly square: boolean;
}

export function Patches({ pixels, alt, grid, square }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, pixels, grid, square);
  }, [pixels, grid, square]);
  const kept =
    grid === undefined ? '' : `; ${grid.kept.length} of ${grid.rows * grid.columns} patches are kept`;
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={`${alt}${kept}`}
      class="picture"
      data-kept={grid?.kept.join(' ')}
    />
  );
}

function draw(canvas: HTMLCanvasElement, pixels: Pixels, grid: Grid | undefined, square: boolean): void {
  const scale = SIDE / Math.max(pixels.width, pixels.height);
  const [width, height] = [Math.round(pixels.width * scale), Math.round(pixels.height * scale)];
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const context = canvas.getContext('2d');
  if (context === null) return;
  const source = new OffscreenCanvas(pixels.width, pixels.height);
  source
    .getContext('2d')
    ?.putImageData(new ImageData(new Uint8ClampedArray(pixels.data), pixels.width, pixels.height), 0, 0);
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  if (grid === undefined) return;
  const side = Math.min(canvas.width, canvas.height);
  const [left, top] = square ? [(canvas.width - side) / 2, (canvas.height - side) / 2] : [0, 0];
  const [seenWidth, seenHeight] = square ? [side, side] : [canvas.width, canvas.height];
  const dropped = new Path2D();
  dropped.rect(0, 0, canvas.width, canvas.height);
  const kept = new Path2D();
  for (const index of grid.kept) {
    const [row, column] = [Math.floor(index / grid.columns), index % grid.columns];
    const x = Math.round(left + (column / grid.columns) * seenWidth);
    const y = Math.round(top + (row / grid.rows) * seenHeight);
    const right = Math.round(left + ((column + 1) / grid.columns) * seenWidth);
    const bottom = Math.round(top + ((row + 1) / grid.rows) * seenHeight);
    kept.rect(x, y, right - x, bottom - y);
  }
  dropped.addPath(kept);
  context.save();
  context.clip(dropped, 'evenodd');
  context.fillStyle = 'rgb(16 16 20 / 0.82)';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = 'rgb(150 150 150 / 0.55)';
  context.lineWidth = 1;
  context.beginPath();
  for (let at = -canvas.height; at < canvas.width; at += HATCH) {
    context.moveTo(at, canvas.height);
    context.lineTo(at + canvas.height, 0);
  }
  context.stroke();
  context.restore();
}
