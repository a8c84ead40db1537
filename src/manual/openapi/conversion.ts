import type { AuthoredTool, JsonObject, JsonSchema } from '../../core/index.js';
import type { Findings } from '../findings.js';
import { planBody } from './body.js';
import { InputPlan } from './inputs.js';
import { OperationNotes, type OperationReport } from './notes.js';
import type { Dialect, Operation } from './operation.js';
import { listParameters, type Parameter, planParameters } from './parameter.js';
import type { References } from './reference.js';
import { planOutputs } from './response.js';
import type { SecurityPlan, SecurityPlanner } from './security.js';
import { chooseServer, type ServerOptions } from './server.js';
import { type Direction, translateSchema } from './translation.js';
import { listOf, textOf } from './value.js';

/** What every operation of one document is mapped with. */
export interface ConversionContext {
  readonly references: References;
  readonly dialect: Dialect;
  readonly servers: ServerOptions;
  readonly security: SecurityPlanner;
  /** The credential that the configuration gives the upstream; then the document's own is not used. */
  readonly upstream_auth: JsonObject | undefined;
  readonly findings: Findings;
}

/** An operation as a tool, where it could be one, and what became of it. */
export interface ConvertedOperation {
  readonly tool: AuthoredTool | undefined;
  /** The base URL that the tool calls. */
  readonly server: string | undefined;
  readonly report: OperationReport;
}

/** The methods that a UTCP `http` template may have. */
const carriedMethods = new Set(['get', 'post', 'put', 'delete', 'patch']);
/** Tags that say what a tool's method does; policies rely on them, so a document cannot claim one. */
const methodTags = new Set(['read', 'write']);

/** Maps one operation of a document to a tool of that name. */
export function convertOperation(operation: Operation, name: string, context: ConversionContext): ConvertedOperation {
  const notes = new OperationNotes(operation, context.findings);
  const tool = createTool(operation, name, context, notes);
  const server = chooseServer(operation, context.servers);
  return {
    tool: notes.leftOut ? undefined : tool,
    server: 'url' in server ? server.url : undefined,
    report: notes.report(name),
  };
}

function createTool(
  operation: Operation,
  name: string,
  context: ConversionContext,
  notes: OperationNotes,
): AuthoredTool | undefined {
  const { dialect, references } = context;
  if (!carriedMethods.has(operation.method)) {
    notes.leaveOut(`${operation.method.toUpperCase()} is no method of UTCP`, 'Nothing can be done.');
    return undefined;
  }
  const server = chooseServer(operation, context.servers);
  if ('problem' in server) {
    notes.leaveOut(server.problem, server.mend);
    return undefined;
  }
  if (server.replaced) {
    const what = 'base_url replaces a server of its own';
    notes.tell('openapi-server-replaced', what, 'Leave the operation out if base_url does not serve it.');
  }
  const security = planSecurity(operation, context, notes);
  const plan = planInputs(operation, security, context, notes);
  const url = server.url + renderPath(operation, plan, notes);
  if (notes.leftOut) return undefined;
  const outputs = planOutputs(operation, dialect, references);
  const { scopes } = security;
  return {
    name,
    description: describe(operation),
    inputs: translate(plan.toSchema(), 'input', context, notes),
    ...(outputs.schema === undefined ? {} : { outputs: translate(outputs.schema, 'output', context, notes) }),
    tags: readTags(operation, notes),
    ...(outputs.average_response_size === undefined ? {} : { average_response_size: outputs.average_response_size }),
    tool_call_template: createTemplate(operation, url, plan, security),
    ...(scopes.length > 0 ? { required_scopes: scopes } : {}),
  };
}

function planSecurity(operation: Operation, context: ConversionContext, notes: OperationNotes): SecurityPlan {
  const plan = context.security.plan(operation);
  if (context.upstream_auth) return { ...plan, auth: undefined, headers: {}, problem: undefined };
  if (plan.problem !== undefined) notes.drop(plan.problem, 'Give the manual an upstream_auth.', '/security');
  return plan;
}

function planInputs(
  operation: Operation,
  security: SecurityPlan,
  context: ConversionContext,
  notes: OperationNotes,
): InputPlan {
  const { dialect, references } = context;
  // UTCP takes an argument named `body` as the body of whatever is no GET.
  const plan = new InputPlan(operation.method === 'get' ? [] : ['body']);
  Object.assign(plan.headers, security.headers);
  const credential = security.auth ?? context.upstream_auth;
  const parameters = listParameters(operation, dialect, references).filter((parameter) => {
    if (!isCredential(parameter, credential, security.headers)) return true;
    const what = `${parameter.in} parameter ${parameter.name} is the credential, which no caller gives`;
    notes.tell('openapi-credential-parameter', what, 'Nothing has to be done.');
    return false;
  });
  planParameters(parameters, plan, dialect, references, notes);
  planBody(operation, parameters, plan, dialect, references, notes);
  return plan;
}

function isCredential(
  { name, in: place }: Parameter,
  credential: JsonObject | undefined,
  headers: Readonly<Record<string, string>>,
): boolean {
  const same = (other: string) => other.toLowerCase() === name.toLowerCase();
  if (place === 'header' && Object.keys(headers).some(same)) return true;
  if (credential?.auth_type !== 'api_key') return false;
  const variable = textOf(credential.var_name) ?? 'X-Api-Key';
  const location = textOf(credential.location) ?? 'header';
  if (location !== place) return false;
  return location === 'header' ? same(variable) : variable === name;
}

function renderPath(operation: Operation, plan: InputPlan, notes: OperationNotes): string {
  const seen = new Set<string>();
  // A dollar would start a variable in the official clients.
  const [path = ''] = operation.path.replaceAll('$', '%24').split('#', 1);
  const rendered = path.replace(/\{([^{}]*)\}/g, (_placeholder, name: string) => {
    const known = plan.path.get(name);
    if (seen.has(name)) {
      const what = `path parameter ${name} stands twice, which official clients cannot fill in`;
      notes.tell('openapi-path-repeated', what, 'Expose the tool as routed.');
    }
    seen.add(name);
    if (known !== undefined) return known;
    const input = plan.freeName(name, 'path');
    plan.add(input, { type: 'string' }, true);
    plan.path.set(name, `{${input}}`);
    notes.tell('openapi-path-undeclared', `path parameter ${name} is not declared; it is a text`, 'Declare it.');
    return `{${input}}`;
  });
  if (plan.query.length === 0) return rendered.startsWith('/') ? rendered : `/${rendered}`;
  const mark = rendered.includes('?') ? '&' : '?';
  return `${rendered.startsWith('/') ? '' : '/'}${rendered}${mark}${plan.query.join('&').replaceAll('$', '%24')}`;
}

function createTemplate(
  operation: Operation,
  url: string,
  plan: InputPlan,
  security: SecurityPlan,
): AuthoredTool['tool_call_template'] {
  const { body, headers, header_fields: fields } = plan;
  return {
    call_template_type: 'http',
    http_method: operation.method.toUpperCase(),
    url,
    ...(body ? { content_type: body.content_type, body_field: body.field } : {}),
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    ...(fields.length > 0 ? { header_fields: fields } : {}),
    ...(security.auth ? { auth: security.auth } : {}),
  };
}

function translate(
  schema: JsonObject,
  direction: Direction,
  context: ConversionContext,
  notes: OperationNotes,
): JsonSchema {
  const { schema: translated, problems } = translateSchema(schema, direction, context.references);
  for (const { kind, subject } of problems) {
    if (kind === 'reference') {
      notes.drop(`the reference ${subject} leads nowhere; anything is taken in its place`, 'Mend the reference.');
    } else if (kind === 'pattern') {
      const what = `the pattern ${subject} cannot run in linear time and is left to the upstream`;
      notes.tell('openapi-pattern', what, 'Write it without look-around and back-references.');
    } else {
      const what = `the schema of its ${direction}s is cut where it reaches too many components`;
      notes.tell('openapi-schema-cut', what, 'Connect fewer components, or leave the operation out.');
    }
  }
  return translated;
}

function describe({ value, method, path }: Operation): string {
  const summary = textOf(value.summary)?.trim();
  const description = textOf(value.description)?.trim();
  const parts = description?.startsWith(summary ?? '\0') ? [description] : [summary, description];
  const text = parts.filter((part) => part !== undefined).join('\n\n') || `${method.toUpperCase()} ${path}`;
  return value.deprecated === true ? `Deprecated. ${text}` : text;
}

function readTags({ value, method }: Operation, notes: OperationNotes): readonly string[] {
  const tags = listOf(value.tags).filter((tag) => typeof tag === 'string' && tag !== '');
  const own = tags.filter((tag) => typeof tag === 'string' && !methodTags.has(tag)).map(String);
  if (own.length < tags.length) {
    notes.tell('openapi-tag-reserved', 'its tag read or write is replaced by what its method says', 'Rename the tag.');
  }
  return [...new Set([...own, method === 'get' ? 'read' : 'write'])];
}
