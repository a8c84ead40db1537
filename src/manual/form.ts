import {
  isJsonObject,
  type Json,
  type JsonObject,
  type JsonSchema,
  type PublishedForm,
  type Tool,
} from '../core/index.js';

/**
 * How the arguments of a published routed tool travel:
 * - `query`: GET, every argument in the query; only where all are strings and numbers and calling reads.
 * - `split`: POST, one argument is the body, the others stand in the query (the authored shape is kept).
 * - `wrapped`: POST, the body is the whole arguments object. The one form that keeps types in all clients.
 */
export type ArgumentForm =
  | { readonly kind: 'query' }
  | { readonly kind: 'split'; readonly body_field: string }
  | { readonly kind: 'wrapped' };

const streamingTypes = new Set(['sse', 'streamable_http', 'websocket', 'mcp']);
const readingTypes = new Set(['text', 'file', 'sse']);
/** Types whose template says by its method whether calling reads. */
const methodTypes = new Set(['http', 'streamable_http', 'local']);

/** Whether the tool's upstream streams, so that it may be published as `sse` or `streamable_http` too. */
function isStreaming(tool: Pick<Tool, 'template'>): boolean {
  return streamingTypes.has(tool.template.call_template_type);
}

/** Chooses the form by utcp-interop's rule ("The form to publish for a routed tool"). */
export function chooseForm(tool: Pick<Tool, 'template' | 'inputs'>): ArgumentForm {
  const { template } = tool;
  const properties = Object.entries(isJsonObject(tool.inputs.properties) ? tool.inputs.properties : {});
  const isClosed = properties.length > 0 || tool.inputs.additionalProperties === false || !tool.inputs.required;
  const reads =
    readingTypes.has(template.call_template_type) ||
    (methodTypes.has(template.call_template_type) && (template.http_method ?? 'GET') === 'GET');
  const bodyField = typeof template.body_field === 'string' ? template.body_field : undefined;
  const others = properties.filter(([name]) => name !== bodyField);
  if (!isClosed || !others.every(([, schema]) => isScalar(schema))) return { kind: 'wrapped' };
  if (bodyField !== undefined && properties.length > others.length) return { kind: 'split', body_field: bodyField };
  return reads ? { kind: 'query' } : { kind: 'wrapped' };
}

/** The published call templates of a routed tool, by name, without `auth`; the first is the tool's own name. */
export function publishedTemplates(
  tool: Tool,
  baseUrl: string,
): readonly { readonly name: string; readonly inputs: JsonSchema; readonly template: JsonObject }[] {
  const forms = isStreaming(tool) ? tool.settings.publish_as : (['http'] as const);
  return forms.map((form, position) => ({
    name: position === 0 ? tool.name : `${tool.name}${aliasSuffix[form]}`,
    ...publishForm(tool, form, `${baseUrl}/tools/${tool.manual}/${tool.name}`),
  }));
}

const aliasSuffix = { http: '_http', sse: '_sse', streamable_http: '_stream' } as const satisfies Record<
  PublishedForm,
  string
>;

function publishForm(tool: Tool, published: PublishedForm, url: string): { inputs: JsonSchema; template: JsonObject } {
  const form = chooseForm(tool);
  if (form.kind === 'query' && published !== 'streamable_http') {
    const method = published === 'http' ? { http_method: 'GET' } : {};
    return { inputs: tool.inputs, template: { call_template_type: published, ...method, url } };
  }
  const post = { call_template_type: published, ...postFields[published] };
  if (form.kind === 'split') {
    return { inputs: tool.inputs, template: { ...post, url: `${url}/body`, body_field: form.body_field } };
  }
  return { inputs: wrapInputs(tool.inputs), template: { ...post, url, body_field: 'body' } };
}

// An `sse` template has no method and no content type: its body field makes it a POST, and the official Python client
// sends JSON only where a header says so.
const postFields = {
  http: { http_method: 'POST', content_type: 'application/json' },
  sse: { headers: { 'Content-Type': 'application/json' } },
  streamable_http: {
    http_method: 'POST',
    content_type: 'application/json',
    headers: { Accept: 'application/x-ndjson' },
  },
} as const satisfies Record<PublishedForm, JsonObject>;

/** `{body: <inputs>}`; references inside the inputs are moved along with them. */
export function wrapInputs(inputs: JsonSchema): JsonSchema {
  const { $schema, ...rest } = inputs;
  const body = moveReferences(rest, '#/properties/body');
  return {
    ...($schema !== undefined && { $schema }),
    type: 'object',
    properties: { body },
    required: ['body'],
  };
}

function moveReferences(value: Json, root: string): Json {
  if (Array.isArray(value)) return value.map((item: Json) => moveReferences(item, root));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) =>
      key === '$ref' && typeof member === 'string' && member.startsWith('#')
        ? [key, `${root}${member.slice(1)}`]
        : [key, moveReferences(member, root)],
    ),
  );
}

function isScalar(schema: Json): boolean {
  if (!isJsonObject(schema)) return false;
  return schema.type === 'string' || schema.type === 'number' || schema.type === 'integer';
}
