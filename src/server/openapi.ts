// What the server can do, as an OpenAPI document: paths and schemas.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Env } from 'hono';
import { ChatRequest, ToolCall } from './chat-request.js';
import { ResponsesRequest } from './responses.js';
import { Usage } from './usage.js';

const ErrorBody = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .openapi('Error');

const ChatCompletion = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.number().int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.number().int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().nullable(),
          refusal: z.null(),
          tool_calls: z.array(ToolCall).optional(),
        }),
        logprobs: z.unknown().nullable(),
        finish_reason: z.enum(['stop', 'length', 'tool_calls']),
      }),
    ),
    usage: Usage,
  })
  .openapi('ChatCompletion');

const json = (
  description: string,
  schema: z.ZodType,
): { description: string; content: { 'application/json': { schema: z.ZodType } } } => ({
  description,
  content: { 'application/json': { schema } },
});

const refused = (statuses: Readonly<Record<number, string>>): Record<number, ReturnType<typeof json>> =>
  Object.fromEntries(Object.entries(statuses).map(([status, why]) => [status, json(why, ErrorBody)]));

/** Adds the paths to the document. */
export function registerPaths<E extends Env>({ openAPIRegistry: registry }: OpenAPIHono<E>): void {
  registry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  registry.registerPath({
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation about pictures',
    security: [{ key: [] }],
    request: { body: { required: true, content: { 'application/json': { schema: ChatRequest } } } },
    responses: {
      200: json('The answer; with `stream`, server-sent events of its parts', ChatCompletion),
      ...refused({
        400: 'A field is wrong or not supported: `param` names it',
        401: 'The key is missing or wrong',
        404: 'There is no such model',
        413: 'The body is too large',
        429: 'The queue is full; see retry-after',
        503: 'The model is loading, or the server is ending',
        504: 'The answer took too long',
      }),
    },
  });
  registry.registerPath({
    method: 'post',
    path: '/v1/responses',
    summary: 'The same by the Responses API; nothing is stored',
    security: [{ key: [] }],
    request: { body: { required: true, content: { 'application/json': { schema: ResponsesRequest } } } },
    responses: {
      200: json(
        'The response; with `stream`, server-sent events',
        z.object({ id: z.string(), output: z.array(z.unknown()) }),
      ),
      ...refused({ 400: 'A field is wrong or not supported: `param` names it' }),
    },
  });
  registry.registerPath({
    method: 'get',
    path: '/v1/models',
    summary: 'The models that are served',
    security: [{ key: [] }],
    responses: { 200: json('A list', z.object({ object: z.literal('list'), data: z.array(z.unknown()) })) },
  });
  registry.registerPath({
    method: 'get',
    path: '/health',
    summary: 'Whether the server can answer',
    responses: {
      200: json('It can', z.object({ status: z.literal('ok'), version: z.string() })),
      503: json(
        'It is loading, ending, or a model could not be loaded',
        z.object({ status: z.string(), version: z.string() }),
      ),
    },
  });
  registry.registerPath({
    method: 'get',
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    security: [{ key: [] }],
    responses: { 200: { description: 'Text format', content: { 'text/plain': { schema: z.string() } } } },
  });
}
