import { isJsonObject, type JsonObject } from '../../core/index.js';
import type { Rule } from './rule.js';
import { objectOf } from './walk.js';

const everywhere = new Set(['http', 'sse', 'streamable_http']);
const known = new Set([...everywhere, 'websocket', 'cli', 'text', 'file', 'mcp']);

const authFields: Readonly<Record<string, readonly string[]>> = {
  api_key: ['auth_type', 'api_key', 'var_name', 'location'],
  basic: ['auth_type', 'username', 'password'],
  oauth2: ['auth_type', 'token_url', 'client_id', 'client_secret', 'scope'],
};

export const templateRules: readonly Rule[] = [
  {
    id: 'template-type',
    severity: 'error',
    why: 'A call template of a type that nobody knows cannot be called, and rejects the whole manual.',
    mend: 'Use http, sse, streamable_http, websocket, cli, text, file or mcp.',
    check: ({ tools, report }) => {
      for (const { name, pointer, template, template_type: type, template_pointer } of tools) {
        if (Object.keys(template).length === 0) report(pointer, `${name} has no call template.`);
        else if (!known.has(type)) report(template_pointer, `${JSON.stringify(type)} is no call template type.`);
      }
    },
  },
  {
    id: 'template-unportable',
    severity: 'warning',
    why: 'A client without the plugin for one tool’s protocol rejects the whole manual.',
    mend: 'Expose the manual as routed: such tools are published as http.',
    check: ({ tools, expose, report }) => {
      if (expose === 'routed') return;
      for (const { template_type: type, template_pointer } of tools) {
        if (known.has(type) && !everywhere.has(type)) report(template_pointer, `Not every client knows ${type}.`);
      }
    },
  },
  {
    id: 'stream-without-twin',
    severity: 'warning',
    why: 'The official TypeScript client sends no request for sse and streamable_http tools.',
    mend: 'Add an http tool that returns the collected result, or expose the manual as routed.',
    check: ({ tools, expose, report }) => {
      if (expose === 'routed') return;
      const collected = new Set(
        tools.filter((tool) => tool.template_type === 'http').map(({ template }) => template.url),
      );
      for (const { name, template, template_type: type, template_pointer } of tools) {
        const streams = type === 'sse' || type === 'streamable_http';
        if (streams && !collected.has(template.url)) report(template_pointer, `${name} streams and has no http twin.`);
      }
    },
  },
  {
    id: 'stream-unbounded',
    severity: 'info',
    why: 'A stream that never ends holds a connection and floods its reader.',
    mend: 'Set max_events or timeout.',
    check: ({ tools, report }) => {
      for (const { name, template, template_type: type, template_pointer } of tools) {
        if (type === 'sse' && template.max_events === undefined && template.timeout === undefined) {
          report(template_pointer, `${name} has no limit of events or time of its own.`);
        }
      }
    },
  },
  {
    id: 'auth-shape',
    severity: 'error',
    why: 'Official clients know api_key, basic and oauth2 with exactly their fields, and reject the manual for more.',
    mend: 'Keep the fields of one of the three kinds; leave scope out instead of writing null.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer } of tools) {
        const { auth } = template;
        if (auth === undefined) continue;
        const problem = isJsonObject(auth) ? describeAuth(auth) : 'auth is no object';
        if (problem !== undefined) report(`${template_pointer}/auth`, `${problem}.`);
      }
    },
  },
  {
    id: 'auth-in-cookie',
    severity: 'warning',
    why: 'The official TypeScript client never sends an api_key whose location is cookie.',
    mend: 'Use location: header.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer } of tools) {
        if (objectOf(template.auth).location === 'cookie')
          report(`${template_pointer}/auth/location`, 'The key is a cookie.');
      }
    },
  },
  {
    id: 'auth-in-query',
    severity: 'warning',
    why: 'A URL is written to logs, histories and referrers, and the key with it.',
    mend: 'Use location: header where the upstream takes it.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer } of tools) {
        if (objectOf(template.auth).location === 'query')
          report(`${template_pointer}/auth/location`, 'The key stands in the URL.');
      }
    },
  },
  {
    id: 'average-response-size',
    severity: 'warning',
    why: 'The official Python client takes a whole number alone, and rejects the manual for another.',
    mend: 'Write a whole number of bytes.',
    check: ({ tools, report }) => {
      for (const { tool, pointer } of tools) {
        const { average_response_size: size } = tool;
        if (typeof size !== 'number' || Number.isInteger(size)) continue;
        const at = `${pointer}/average_response_size`;
        report(at, `${size} is no whole number.`, { fix: { pointer: at, value: Math.round(size) } });
      }
    },
  },
];

function describeAuth(auth: JsonObject): string | undefined {
  const type = String(auth.auth_type ?? auth.type ?? '');
  const fields = authFields[type];
  if (!fields) return `${JSON.stringify(type)} is no auth_type that every client knows`;
  const extra = Object.keys(auth).find((key) => !fields.includes(key) && key !== 'type');
  if (extra !== undefined) return `${type} has no field ${extra}`;
  return Object.values(auth).includes(null) ? `${type} holds a null` : undefined;
}
