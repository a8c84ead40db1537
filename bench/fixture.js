/** What every contender serves and is asked: tools of about 670 bytes, callers with keys, requests as bytes. */
import { createHash, createHmac } from 'node:crypto';

/** Arguments of about 200 bytes. */
export const callArguments = {
  query: 'second-hand copies of books about the history of arithmetic, any binding, signed by the author',
  limit: 25,
  language: 'en',
  in_stock: true,
  sort: 'price_ascending',
  max_price: 49.5,
};

/** An answer of about 300 bytes. */
export const callAnswer = {
  total: 3,
  items: [
    { id: 'b-1041', title: 'A History of Arithmetic', price: 18.5, in_stock: true, binding: 'hardcover' },
    { id: 'b-2210', title: 'Numbers and Their Makers', price: 24, in_stock: true, binding: 'paperback' },
    { id: 'b-3377', title: 'Counting Before Paper', price: 49.5, in_stock: false, binding: 'leather' },
  ],
};

export const inputs = {
  type: 'object',
  properties: {
    query: { type: 'string', minLength: 1, maxLength: 200 },
    limit: { type: 'integer', minimum: 1, maximum: 100 },
    language: { type: 'string', maxLength: 8 },
    in_stock: { type: 'boolean' },
    sort: { type: 'string', enum: ['price_ascending', 'price_descending', 'title'] },
    max_price: { type: 'number' },
  },
  required: ['query'],
  additionalProperties: false,
};

export const toolName = (index) => `search_${String(index).padStart(6, '0')}`;
export const callerKey = (index) => `bench-key-${String(index).padStart(6, '0')}-3f9c1b7a5d2e48f0`;

/** A UTCP manual of tools that are routed to `upstream`; the call's arguments are the body of a POST. */
export function makeManual(count, upstream, { from = 0, tag = () => 'books' } = {}) {
  const tools = Array.from({ length: count }, (_, step) => {
    const index = from + step;
    return {
      name: toolName(index),
      description: `Searches shelf ${index} and lists what is found.`,
      inputs: { type: 'object', properties: { body: inputs }, required: ['body'], additionalProperties: false },
      tags: [tag(index)],
      tool_call_template: {
        call_template_type: 'http',
        http_method: 'POST',
        url: `${upstream}/search`,
        body_field: 'body',
      },
    };
  });
  return { utcp_version: '1.1.0', manual_version: '1.0.0', tools };
}

/** Callers of the configuration; each has a key of its own. */
export function makeCallers(count, roleOf = () => 'reader') {
  return Array.from({ length: count }, (_, index) => ({
    id: `caller-${index}`,
    roles: [roleOf(index)],
    api_keys: { current: { sha256: createHash('sha256').update(callerKey(index)).digest('hex') } },
  }));
}

/** The bytes of a request, as text. */
export function renderRequest({ method = 'GET', path, token, headers = {}, body }) {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1'];
  if (token !== undefined) lines.push(`Authorization: Bearer ${token}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

export const jwtSecret = 'bench-secret-of-more-than-thirty-two-bytes';

/** A token of the naive stack's callers. */
export function makeToken(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', jwtSecret).update(text).digest('base64url')}`;
}
