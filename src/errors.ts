// Typed errors: every failure that a user can cause is a FastvError, which says what was wrong, where, and what to do.

/** Every code of a {@link FastvError}, and what kind of failure it stands for. */
export const FASTV_ERROR_CODES = {
  'malformed-model': 'The bytes are no ONNX model, or one whose parts contradict each other.',
  'external-data':
    "A weight file that the model refers to is absent, too short, or outside the model's folder.",
  'unsupported-decoder':
    'A valid model that is no decoder, or a decoder that the rewrite does not understand.',
  'invalid-option':
    'An option that does not exist, or whose value makes no sense here (K out of range, R outside [0, 1], …).',
  'invalid-input': 'Input other than a model (prompt, image, dataset row, request) that cannot be used.',
  inference: 'ONNX Runtime cannot load the model, or failed while running it.',
  io: 'The file system or the network refused.',
} as const;

/** What kind of failure it was. Machines switch on it; `--json` prints it. */
export type FastvErrorCode = keyof typeof FASTV_ERROR_CODES;

/** Where the failure is and what to do about it. */
export interface FastvErrorDetails {
  /** The file, node, layer, row or option that is at fault. */
  readonly where?: string;
  /** What the user can do. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * An error that the user can do something about.
 * @example
 * try {
 *   await fastv(AutoModelForImageTextToText, name, { layer: 2 });
 * } catch (error) {
 *   if (error instanceof FastvError && error.code === 'unsupported-decoder') console.warn(error.where, error.hint);
 *   else throw error;
 * }
 */
export class FastvError extends Error {
  override readonly name = 'FastvError';
  /** What kind of failure it was. */
  readonly code: FastvErrorCode;
  /** The file, node, layer, row or option that is at fault, where that is known. */
  readonly where: string | undefined;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;

  constructor(code: FastvErrorCode, message: string, details: FastvErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.where = details.where;
    this.hint = details.hint;
  }

  /** The same facts as plain data, for `--json`. */
  toJSON(): { code: FastvErrorCode; message: string; where?: string; hint?: string } {
    return {
      code: this.code,
      message: this.message,
      ...(this.where === undefined ? {} : { where: this.where }),
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}
