import { z } from 'zod';

const text = z.string().min(1);

const apiKeyAuth = z.strictObject({
  auth_type: z.literal('api_key'),
  api_key: text,
  var_name: text.default('X-Api-Key'),
  location: z.enum(['header', 'query', 'cookie']).default('header'),
});

const basicAuth = z.strictObject({ auth_type: z.literal('basic'), username: text, password: z.string() });

const oauth2Auth = z.strictObject({
  auth_type: z.literal('oauth2'),
  token_url: text,
  client_id: text,
  client_secret: text,
  scope: z.string().nullish(),
});

/** UTCP's `Auth` (1.x): how a call proves itself to the upstream. */
export const upstreamAuthSchema = z.discriminatedUnion('auth_type', [apiKeyAuth, basicAuth, oauth2Auth]);
export type UpstreamAuth = z.infer<typeof upstreamAuthSchema>;

/** RFC 9110 section 5.1: a field name is a token. */
export const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a header name (RFC 9110)');

/** The fields that every HTTP based template shares; UTCP's serialisers write null for what is not set. */
export const requestFields = {
  name: z.string().nullish(),
  url: text,
  headers: z.record(headerName, z.string()).nullish(),
  header_fields: z.array(headerName).nullish(),
  auth: upstreamAuthSchema.nullish(),
  verify_ssl: z.boolean().default(true),
  allowed_communication_protocols: z.array(z.string()).nullish(),
};

/** UTCP's HttpCallTemplate (1.x) with the guide's `verify_ssl` and `timeout`; an unknown field is refused. */
export const httpTemplateSchema = z.strictObject({
  ...requestFields,
  call_template_type: z.literal('http'),
  http_method: z.enum(['GET', 'POST', 'PUT', 'DELETE', 'PATCH']).default('GET'),
  content_type: text.default('application/json'),
  /** Absent: `body`, except for GET. */
  body_field: z.string().nullish(),
  /** Seconds. */
  timeout: z.number().positive().max(3600).nullish(),
  /** For the tools of a manual that this template fetches; a call has no use for it. */
  auth_tools: z.json().optional(),
});
export type HttpTemplate = z.infer<typeof httpTemplateSchema>;

/** What `compileRequest` needs of a template; those of `http`, `sse` and `streamable_http` fit. */
export interface RequestTemplate {
  readonly url: string;
  readonly http_method: HttpTemplate['http_method'];
  readonly content_type: string;
  readonly headers?: Readonly<Record<string, string>> | null | undefined;
  readonly header_fields?: readonly string[] | null | undefined;
  readonly body_field?: string | null | undefined;
  readonly auth?: UpstreamAuth | null | undefined;
  readonly verify_ssl: boolean;
}
