/** What a worker and its inference process say to each other. */
import { FastvError } from '../../errors.js';
import type { Chunk, ChunkResult, QueuedBatch, QueuedRun } from './queued-run.js';

/** What a process opens a run with. */
export interface ChildOptions {
  readonly run: QueuedRun;
  /** This machine's own folders, in the place of the run's. */
  readonly data: { readonly folders?: readonly string[]; readonly imageFolder?: string };
  readonly allowNetwork: boolean;
  /** Threads of the processor; default: one a core. */
  readonly threads?: number;
}

/** Requests of a batch, with what this machine allows. */
export interface ChildBatch extends QueuedBatch {
  readonly allowNetwork: boolean;
  /** The folder of `file:` URLs. */
  readonly mediaRoot?: string;
}

export type ToChild =
  { readonly open: ChildOptions } | { readonly chunk: Chunk } | { readonly batch: ChildBatch };

/** A chunk that failed. */
export interface ChunkFailure {
  readonly message: string;
  readonly where?: string;
  /** Whether it would fail again: the data or the options are wrong, not the machine. */
  readonly final: boolean;
}

export type FromChild =
  | { readonly opened: true }
  | { readonly result: ChunkResult }
  | { readonly answers: readonly unknown[] }
  | { readonly failure: ChunkFailure };

/** What was thrown, as a message. */
export function failureOfChunk(error: unknown): ChunkFailure {
  if (error instanceof FastvError) {
    const { message, where, code } = error;
    return { message, ...(where === undefined ? {} : { where }), final: code.startsWith('invalid-') };
  }
  return { message: error instanceof Error ? error.message : String(error), final: false };
}
