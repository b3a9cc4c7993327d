// Errors as OpenAI's clients know them: `{ error: { message, type, param, code } }` and a status.
import { ZodError, type z } from 'zod';
import { FastvError } from '../errors.js';
import { printable } from '../printable.js';

/** What kind of error it is, in OpenAI's words. */
export type ApiErrorType =
  'invalid_request_error' | 'authentication_error' | 'rate_limit_error' | 'server_error' | 'timeout_error';

/** The body of an answer that is an error. */
export interface ApiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: ApiErrorType;
    /** The field that is at fault. */
    readonly param: string | null;
    readonly code: string | null;
  };
}

interface Details {
  readonly param?: string | undefined;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Something that the client is told. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly type: ApiErrorType;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, { param, code, headers = {}, cause }: Details = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.status = status;
    this.type = typeOf(status);
    this.param = param ?? null;
    this.code = code ?? null;
    this.headers = headers;
  }

  get body(): ApiErrorBody {
    const { message, type, param, code } = this;
    return { error: { message: printable(message), type, param, code } };
  }

  toResponse(): Response {
    return Response.json(this.body, { status: this.status, headers: this.headers });
  }
}

/** A field that is wrong. */
export function badRequest(message: string, param?: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, message, { param, code });
}

/**
 * Anything that was thrown, as the client may see it: no path, no stack, nothing of what happens inside.
 * @param param the field that it came from, if it came from one
 */
export function apiError(error: unknown, param?: string): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ZodError) return schemaError(error);
  if (error instanceof FastvError && (error.code === 'invalid-input' || error.code === 'invalid-option')) {
    const { message, hint } = error;
    return new ApiError(400, hint === undefined ? message : `${message}. ${hint}`, {
      param,
      code: 'invalid_value',
      cause: error,
    });
  }
  return new ApiError(500, 'the model failed to answer', { code: 'internal_error', cause: error });
}

/** What a schema found, as one field and one sentence. */
function schemaError({ issues: [first] }: ZodError): ApiError {
  if (first === undefined) return badRequest('the request is not valid');
  const issue = deepest(first);
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const param = path === '' ? key : `${path}.${key}`;
    return badRequest(`unknown field: ${param.slice(0, 200)}`, param.slice(0, 200), 'unknown_parameter');
  }
  const where = path === '' ? 'the request' : path;
  return badRequest(`${where}: ${issue.message}`, path === '' ? undefined : path);
}

/** Of a union the issue of the kind that was meant: the one that got furthest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors
    .flatMap((issues) => issues.slice(0, 1))
    .map(deepest)
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (inner === undefined || inner.path.length === 0) return issue;
  return { ...inner, path: [...issue.path, ...inner.path] };
}

function typeOf(status: number): ApiErrorType {
  if (status === 401 || status === 403) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  if (status === 504) return 'timeout_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
