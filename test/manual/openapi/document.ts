import type { JsonObject } from '../../../src/core/index.js';
import { type ImportedOpenApi, type ImportOptions, importOpenApi } from '../../../src/manual/openapi/import.js';

/** Imports an OpenAPI document that a test writes as an object. */
export function importDocument(
  document: Readonly<Record<string, unknown>>,
  options: Partial<ImportOptions> = {},
): Promise<ImportedOpenApi> {
  const base = { info: { title: 'Demo', version: '2.5.0' }, servers: [{ url: 'https://api.example' }] };
  const whole = document.swagger === undefined ? { openapi: '3.0.3', ...base, ...document } : document;
  return importOpenApi(JSON.stringify(whole, undefined, 1), { name: 'demo', file: 'api.json', ...options });
}

/** Imports one operation, `GET /things` unless it says otherwise. */
export async function importOperation(
  operation: Readonly<Record<string, unknown>>,
  { method = 'get', path = '/things', ...rest }: { method?: string; path?: string; [key: string]: unknown } = {},
  options: Partial<ImportOptions> = {},
) {
  const imported = await importDocument({ ...rest, paths: { [path]: { [method]: operation } } }, options);
  const [tool] = imported.manual.tools;
  const [report] = imported.operations;
  if (!tool || !report) throw new Error('no tool');
  return { ...imported, tool, report, rules: imported.findings.map(({ rule }) => rule) };
}

/** An operation that answers JSON of a schema. */
export function answering(schema: unknown): JsonObject {
  return JSON.parse(JSON.stringify({ responses: { 200: { content: { 'application/json': { schema } } } } }));
}

/** A document of many operations that share components, as a large public API has them. */
export function manyOperations(count: number): Record<string, unknown> {
  const schemas = Object.fromEntries(
    Array.from({ length: 100 }, (_, index) => [
      `thing-${index}`,
      {
        type: 'object',
        required: ['id'],
        properties: {
          id: { type: 'integer', readOnly: true, example: index },
          name: { type: 'string', nullable: true, description: 'A name that people read and that may be absent.' },
          parent: { $ref: `#/components/schemas/thing-${index - (index % 5)}` },
          children: { type: 'array', items: { $ref: `#/components/schemas/thing-${index - (index % 5) + 1}` } },
          ...Object.fromEntries(
            Array.from({ length: 30 }, (_x, field) => [`field_${field}`, { type: 'string', maxLength: 100 }]),
          ),
        },
      },
    ]),
  );
  const paths: Record<string, Record<string, unknown>> = {};
  for (let index = 0; index < count; index++) {
    const ref = { $ref: `#/components/schemas/thing-${index % 100}` };
    const path = `/area-${index % 37}/{owner}/things-${Math.floor(index / 2)}/{thing_id}`;
    paths[path] ??= { parameters: [{ name: 'owner', in: 'path', required: true, schema: { type: 'string' } }] };
    const reads = index % 2 === 0;
    Object.assign(paths[path] ?? {}, {
      [reads ? 'get' : 'post']: {
        operationId: `area/${reads ? 'read' : 'write'}-${index}`,
        tags: [`area-${index % 37}`],
        summary: `Operation ${index}`,
        parameters: [{ name: 'thing_id', in: 'path', required: true, schema: { type: 'integer' } }],
        ...(reads ? {} : { requestBody: { required: true, content: { 'application/json': { schema: ref } } } }),
        responses: { 200: { content: { 'application/json': { schema: ref, example: { id: index } } } } },
      },
    });
  }
  return { components: { schemas }, paths };
}
