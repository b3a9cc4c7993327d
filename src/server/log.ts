// The log: one line of JSON a request, with its id. No key, no path, no stack trace, nothing that was said.
import { pino, type Logger } from 'pino';
import { FastvError } from '../errors.js';
import { ApiError } from './api-error.js';

export type { Logger };

/** How much is logged. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger that writes to stderr. */
export function stderrLogger(level: LogLevel): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
}

/** What went wrong, as it may stand in a log. */
export function loggedError(error: unknown): object {
  const cause = error instanceof ApiError && error.cause !== undefined ? error.cause : error;
  if (cause instanceof FastvError)
    return { name: cause.name, code: cause.code, message: withoutPaths(cause.message) };
  if (cause instanceof Error) return { name: cause.name, message: withoutPaths(cause.message) };
  return { message: withoutPaths(String(cause)) };
}

/** The first line of a text, its paths and URLs taken out. */
export function withoutPaths(text: string): string {
  return (text.slice(0, 2000).split('\n')[0] ?? '')
    .replace(/(?:[a-z]:)?[^\s'"()]*[\\/][^\s'"()]+/giu, '…')
    .slice(0, 300);
}
