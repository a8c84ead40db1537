import { register } from '@utcp/http';
import { type CallTemplate, UtcpClient, UtcpClientConfigSerializer } from '@utcp/sdk';
import { vi } from 'vitest';

/** How a consumer proves who it is, in the words of the official clients. */
export type OfficialCredential =
  | { readonly bearer: string }
  | { readonly client_id: string; readonly client_secret: string };

export interface OfficialOptions {
  /** What the consumer calls the manual; its variables are namespaced by it. */
  readonly name?: string;
  /** Protocols of tools to keep; the http client keeps `http` alone unless it is told. */
  readonly protocols?: readonly string[];
  /** Path of the manual, `/utcp` unless told. */
  readonly path?: string;
}

/** The official TypeScript client, registered with one manual of a server. */
export interface OfficialClient {
  /** Why the registration failed; empty when it did not. */
  readonly errors: readonly string[];
  /** Names of the registered tools, without the manual's. */
  readonly tools: readonly string[];
  /** Calls a tool by its name without the manual's. Rejects with axios' error, or the client's own for an unknown tool. */
  call(tool: string, args: Record<string, unknown>): Promise<unknown>;
}

/** Registers `@utcp/sdk` with `@utcp/http`, unmodified, as a consumer does: a template, variables, nothing else. */
export async function connectOfficial(
  url: string,
  credential: OfficialCredential,
  { name = 'my_gate', protocols, path = '/utcp' }: OfficialOptions = {},
): Promise<OfficialClient> {
  // It narrates everything on the console.
  for (const method of ['log', 'warn', 'error'] as const) vi.spyOn(console, method).mockImplementation(() => undefined);
  // A new set of protocols each time: one keeps its OAuth tokens by client id alone, across servers.
  register(true);
  const config = new UtcpClientConfigSerializer().validateDict({
    variables: namespaced(name, variablesOf(credential)),
  });
  const client = await UtcpClient.create(process.cwd(), config);
  const template: CallTemplate = {
    name,
    call_template_type: 'http',
    http_method: 'GET',
    url: `${url}${path}`,
    auth: authOf(credential, url),
    ...(protocols && { allowed_communication_protocols: [...protocols] }),
  };
  const { errors, manual } = await client.registerManual(template);
  return {
    errors,
    tools: manual.tools.map((tool) => tool.name.slice(name.length + 1)),
    call: (tool, args) => client.callTool(`${name}.${tool}`, args),
  };
}

/** The HTTP status that a call was refused with; undefined when the refusal was not the server's. */
export function statusOf(error: unknown): unknown {
  if (!(error instanceof Error) || !('response' in error)) return undefined;
  const { response } = error;
  return typeof response === 'object' && response !== null && 'status' in response ? response.status : undefined;
}

function authOf(credential: OfficialCredential, url: string) {
  if ('bearer' in credential) {
    return { auth_type: 'api_key', api_key: 'Bearer ${TOKEN}', var_name: 'Authorization', location: 'header' };
  }
  return {
    auth_type: 'oauth2',
    token_url: `${url}/oauth/token`,
    client_id: '${CLIENT_ID}',
    client_secret: '${CLIENT_SECRET}',
  };
}

function variablesOf(credential: OfficialCredential): Record<string, string> {
  if ('bearer' in credential) return { TOKEN: credential.bearer };
  return { CLIENT_ID: credential.client_id, CLIENT_SECRET: credential.client_secret };
}

// UTCP: a manual's variables are looked up as its name with underscores doubled, an underscore, and the variable.
function namespaced(name: string, variables: Record<string, string>): Record<string, string> {
  const prefix = name.replaceAll('_', '__');
  return Object.fromEntries(Object.entries(variables).map(([key, value]) => [`${prefix}_${key}`, value]));
}
