import { LoadError } from '../core/index.js';
import type { McpSettings } from './mcp-config.js';
import type { McpTool } from './mcp-definition.js';
import { type McpProblem, toProblem } from './mcp-errors.js';
import { type McpBinding, type McpLaunch, planLaunch } from './mcp-launch.js';
import { stripControls } from './mcp-result.js';
import { type Handshake, McpSession } from './mcp-session.js';
import type { McpServerConfig } from './mcp-template.js';

const maxShownStderr = 500;

const explanations: Record<McpProblem, string> = {
  not_started: 'could not be started',
  exit: 'ended while it was asked for its tools',
  connection: 'could not be reached',
  start_timeout: 'did not answer in time',
  handshake: 'refused the handshake or has no tools',
  invalid_listing: 'lists a tool that is not valid MCP',
  listing_unbounded: 'lists more than 1,000 tools or 50 pages',
  line_too_long: 'wrote a line without an end',
  flooding: 'sent more messages than can be read',
  unhealthy: 'stopped answering',
  session_expired: 'forgot the session',
  upstream_auth: 'refused the credential',
  egress_refused: 'stands on an address that is not allowed',
};

/**
 * Connects to a server, lists its tools and disconnects. Throws LoadError that says why that failed, with the last lines
 * of the server's standard error, stripped and without any value of its environment: they are for the operator.
 */
export async function inspectServer(
  config: McpServerConfig,
  binding: McpBinding,
  settings: McpSettings,
): Promise<readonly McpTool[]> {
  const launch = planLaunch(config, binding);
  const connect = launch.prepare();
  let failure: { readonly error: unknown; readonly diagnosis: string } | undefined;
  for (const handshake of ['auto', 'legacy'] satisfies Handshake[]) {
    const connection = connect();
    try {
      const session = await McpSession.open(connection, {
        handshake,
        timeout_ms: settings.start_timeout_ms,
        onToolsChanged: () => undefined,
        onLost: () => undefined,
      });
      await session.close();
      return [...session.tools.values()];
    } catch (error) {
      failure ??= { error, diagnosis: connection.diagnosis() };
    }
  }
  throw describeFailure(toProblem(failure?.error), failure?.diagnosis ?? '', launch, binding);
}

function describeFailure(problem: McpProblem, stderr: string, launch: McpLaunch, binding: McpBinding): LoadError {
  const said = hideSecrets(stderr, launch.secrets);
  return LoadError.of({
    rule: 'mcp-server-unusable',
    file: binding.file,
    pointer: binding.pointer,
    message: `The MCP server ${launch.name} ${explanations[problem]}.${said && ` It said: ${said}`}`,
    mend: 'Correct its configuration, or name the paths and the network that it needs (docs/protocols/mcp.md).',
  });
}

function hideSecrets(text: string, secrets: readonly string[]): string {
  const hidden = secrets
    .filter((secret) => secret.length >= 4)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return stripControls(hidden).trim().slice(-maxShownStderr);
}
