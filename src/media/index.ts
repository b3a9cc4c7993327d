// Pictures and videos from files, standard input and URLs.
export type { Picture } from './decode.js';
export { LIMITS } from './limits.js';
export { overlayPng, type KeptPatches, type OverlayOptions } from './overlay.js';
export { loadMedia, type LoadedMedia, type LoadOptions } from './load.js';
