// Typed errors: every failure that a user can cause is a FastvError, which says what was wrong, where, and what to do.

/** What kind of failure it was. Machines switch on it; `--json` prints it. */
export type FastvErrorCode =
  /** The bytes are no ONNX model, or one whose parts contradict each other. */
  | 'malformed-model'
  /** A weight file that the model refers to is absent, too short, or outside the model's folder. */
  | 'external-data'
  /** A valid model that is no decoder, or a decoder that the rewrite does not understand. */
  | 'unsupported-decoder'
  /** An option has a value that makes no sense here (K out of range, R outside [0, 1], …). */
  | 'invalid-option'
  /** Input other than a model (image, dataset row, request) that cannot be used. */
  | 'invalid-input'
  /** The file system or the network refused. */
  | 'io';

/** Where the failure is and what to do about it. */
export interface FastvErrorDetails {
  /** The file, node, layer, row or option that is at fault. */
  readonly where?: string;
  /** What the user can do. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error that the user can do something about. */
export class FastvError extends Error {
  override readonly name = 'FastvError';
  readonly code: FastvErrorCode;
  readonly where: string | undefined;
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
