// What a picture may cost. Every file is hostile: sizes are checked before pixels are decoded.

/** Limits on what is read. */
export const LIMITS = {
  /** A file, a download, or standard input, in bytes. */
  bytes: 256 * 1024 * 1024,
  /** Pixels of a picture as stored. A 40-megapixel photo passes with room to spare. */
  pixels: 120_000_000,
  /** The longer side after decoding; larger pictures are shrunk. No image processor in use looks at more. */
  side: 4096,
  /** Frames taken of a video, unless the caller asks for another number. */
  frames: 8,
  /** The most frames that can be asked for. */
  maxFrames: 256,
  /** Milliseconds for a download, or for ffmpeg. */
  timeout: 60_000,
} as const;
