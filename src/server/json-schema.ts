// The part of JSON Schema that answers are held to, which is that of OpenAI's strict mode. What a grammar would not enforce
// is refused by its name, so that nobody relies on it.
import { badRequest } from './api-error.js';

/** Keywords that say something to people only. */
const ANNOTATIONS = new Set(['title', 'description', '$schema', 'default', 'examples']);
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
/** Schemas inside, and how deep they may lie. */
const MOST_SCHEMAS = 500;
const MOST_DEPTH = 16;
/** The longest array that can be asked for: a grammar grows with it. */
const MOST_ITEMS = 100;
const REFERENCE = /^#(?:\/(?:\$defs|definitions)\/[\w.-]+)?$/u;

interface Place {
  readonly schema: unknown;
  readonly at: string;
  readonly depth: number;
}

/** @throws {ApiError} 400 naming the keyword, for what answers cannot be held to */
export function checkSchema(root: object, param: string): void {
  const waiting: Place[] = [{ schema: root, at: param, depth: 0 }];
  let seen = 0;
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const { at, depth } = place;
    if (++seen > MOST_SCHEMAS || depth > MOST_DEPTH) {
      throw badRequest(`a schema has ${MOST_SCHEMAS} parts and ${MOST_DEPTH} levels at most`, param);
    }
    const schema = recordAt(place.schema, at);
    const inside = (inner: unknown, name: string): void => {
      waiting.push({ schema: inner, at: `${at}.${name}`, depth: depth + 1 });
    };
    for (const [keyword, value] of Object.entries(schema)) {
      const where = `${at}.${keyword}`;
      switch (keyword) {
        case 'type':
          if (![value].flat().every((type) => typeof type === 'string' && TYPES.has(type)))
            throw badRequest('this is no type of JSON Schema', where);
          break;
        case 'properties':
        case '$defs':
        case 'definitions':
          for (const [name, inner] of Object.entries(recordAt(value, where)))
            inside(inner, `${keyword}.${name}`);
          break;
        case 'items':
          inside(value, keyword);
          break;
        case 'anyOf':
          if (!Array.isArray(value) || value.length === 0)
            throw badRequest('anyOf is a list of schemas', where);
          value.forEach((inner, index) => {
            inside(inner, `${keyword}.${index}`);
          });
          break;
        case 'additionalProperties':
          if (typeof value !== 'boolean') inside(value, keyword);
          break;
        case 'required':
          if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
            throw badRequest('required is a list of names', where);
          break;
        case 'enum':
          if (!Array.isArray(value) || value.length === 0 || value.length > 500)
            throw badRequest('enum is a list of 1 to 500 values', where);
          break;
        case 'const':
          break;
        case '$ref':
          if (typeof value !== 'string' || !REFERENCE.test(value))
            throw badRequest('a reference is # or #/$defs/NAME', where);
          checkReference(root, value, where);
          break;
        case 'minItems':
        case 'maxItems':
          if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > MOST_ITEMS)
            throw badRequest(`${keyword} is a whole number up to ${MOST_ITEMS}`, where);
          break;
        case 'minimum':
        case 'maximum':
          if (schema['type'] !== 'integer' || !Number.isSafeInteger(value))
            throw badRequest(`${keyword} is enforced for integers only`, where);
          break;
        default:
          if (!ANNOTATIONS.has(keyword))
            throw badRequest(`answers cannot be held to "${keyword.slice(0, 100)}"`, where);
      }
    }
  }
}

function checkReference(root: object, reference: string, where: string): void {
  const [, place, name] = reference.split('/');
  if (place === undefined || name === undefined) return;
  const definitions: unknown = Object.entries(root).find(([key]) => key === place)?.[1];
  const known = typeof definitions === 'object' && definitions !== null && Object.hasOwn(definitions, name);
  if (!known) throw badRequest(`the schema has no ${reference}`, where);
}

function recordAt(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw badRequest('this is no object', where);
}
