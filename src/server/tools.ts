// Functions that the model may call. No template of a vision-language model is asked for: what there is to call is said in
// the prompt, and calls are written, as Hermes models have it and as Qwen's are trained on it. A grammar (XGrammar) holds
// every call to a function that there is, and its arguments to their schema.
import { badRequest, ApiError } from './api-error.js';
import type { ChatRequest, Tool } from './chat-request.js';
import { checkSchema } from './json-schema.js';

/** What a call begins with. */
export const CALL_START = '<tool_call>';
/** What follows a call's arguments. */
export const CALL_END = '}\n</tool_call>';

/** A function that may be called, and what its arguments are held to; undefined: they are some object. */
export interface CallableTool {
  readonly name: string;
  readonly parameters: object | undefined;
}

/** What an answer may call. */
export interface ToolUse {
  readonly tools: readonly CallableTool[];
  /** Whether it must be a call. */
  readonly required: boolean;
  /** Whether there may be several. */
  readonly parallel: boolean;
}

/**
 * What a request's answer may call; undefined: nothing.
 * @throws {ApiError} 400 naming the field
 */
export function toolUseOf(request: ChatRequest): ToolUse | undefined {
  const { tools, tool_choice: choice, parallel_tool_calls: parallel, response_format: format } = request;
  if (tools == null) {
    const alone = Object.entries({ tool_choice: choice, parallel_tool_calls: parallel });
    for (const [field, said] of alone) if (said != null) throw badRequest(`${field} needs tools`, field);
    return undefined;
  }
  const callable = tools.map(({ function: { name, parameters, strict } }, at) => {
    if (tools.findIndex((other) => other.function.name === name) !== at)
      throw badRequest(`two tools are called ${name}`, `tools.${at}.function.name`);
    return {
      name,
      parameters: enforced(parameters ?? undefined, strict === true, `tools.${at}.function.parameters`),
    };
  });
  if (choice === 'none') return undefined;
  if (format != null && format.type !== 'text')
    throw badRequest(
      'an answer that may be a call cannot be held to a format: give tool_choice "none"',
      'response_format',
    );
  const several = parallel !== false;
  if (typeof choice !== 'object' || choice === null)
    return { tools: callable, required: choice === 'required', parallel: several };
  const { name } = choice.function;
  const named = callable.filter((tool) => tool.name === name);
  if (named.length === 0) throw badRequest(`there is no tool ${name}`, 'tool_choice.function.name');
  return { tools: named, required: true, parallel: false };
}

/** A schema that arguments are held to. One that is not strict may say more than a grammar can: the model is told of it. */
function enforced(schema: object | undefined, strict: boolean, param: string): object | undefined {
  if (schema === undefined) return undefined;
  try {
    checkSchema(schema, param);
    return schema;
  } catch (error) {
    if (strict || !(error instanceof ApiError)) throw error;
    return undefined;
  }
}

/** What the model is told of its tools. */
export function toldTools(tools: readonly Tool[]): string {
  return [
    '# Tools',
    '',
    'You may call one or more functions to assist with the user query.',
    '',
    'You are provided with function signatures within <tools></tools> XML tags:',
    '<tools>',
    ...tools.map(({ function: { name, description, parameters } }) =>
      JSON.stringify({
        type: 'function',
        function: { name, ...(description && { description }), parameters: parameters ?? {} },
      }),
    ),
    '</tools>',
    '',
    'For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:',
    '<tool_call>',
    '{"name": <function-name>, "arguments": <args-json-object>}',
    '</tool_call>',
  ].join('\n');
}

/** How a call begins. */
export function callHead(name: string): string {
  return `${CALL_START}\n{"name": "${name}", "arguments": `;
}

/** A call of an earlier answer, as the model wrote it. */
export function writtenCall({
  function: called,
}: {
  readonly function: { readonly name: string; readonly arguments: string };
}): string {
  return `${callHead(called.name)}${called.arguments}${CALL_END}`;
}

/** What a function gave, as the model reads it. */
export function toolResult(text: string): string {
  return `<tool_response>\n${text}\n</tool_response>`;
}
