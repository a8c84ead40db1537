import type { FastifyInstance } from 'fastify';
import { renderChallenge } from '../auth/index.js';
import type { ServerConfig } from '../config/index.js';
import type { ErrorCode, GatehouseError } from '../core/index.js';
import type { Gate } from '../pipeline/index.js';
import { createAnswers } from '../routes/answer.js';
import { registerCallRoutes } from '../routes/call.js';
import { createErrorResponder } from '../routes/errors.js';
import { registerHealthRoutes } from '../routes/health.js';
import { registerManualRoutes } from '../routes/manual.js';
import { registerOauthRoutes } from '../routes/oauth.js';
import { refuseStrayHandshakes, registerWebsocketRoute, takesWebsockets } from '../routes/websocket.js';
import { isSecure } from './address.js';
import { installExchange } from './app.js';
import { computeStandardHeaders } from './standard-headers.js';

export interface Wiring {
  readonly gate: Gate;
  readonly settings: ServerConfig;
  /** Whether the app is another's, and these routes a part of it. */
  readonly is_guest: boolean;
  /** What callers reach the routes by, now. */
  readonly readUrl: () => string;
  /** Takes a line for the operator. */
  readonly report: (line: string) => void;
}

/** Puts every public route on an app, with what each request passes ahead of its route. */
export async function registerRoutes(app: FastifyInstance, wiring: Wiring): Promise<void> {
  const { gate, settings, is_guest, readUrl } = wiring;
  const report = (error: GatehouseError, request_id: string) =>
    wiring.report(`internal error in request ${request_id}: ${error.stack ?? error.message}`);
  const errors = createErrorResponder({
    challenge: (error, scope) => renderChallenge(readUrl(), toBearerError(error), scope),
    report,
  });
  const headers = await computeStandardHeaders(isSecure(app) || readUrl().startsWith('https:'));
  const answers = createAnswers(gate, headers, is_guest);
  const { max_body_bytes } = settings;
  const owns_unknown_paths = !is_guest || app.prefix !== '';
  const { record } = installExchange(app, { gate, errors, answers, max_body_bytes, owns_unknown_paths });
  // Taking upgrades for an app that does not would answer those that other parts of it wait for.
  const hasWebsockets = !is_guest || takesWebsockets(app);
  if (hasWebsockets) refuseStrayHandshakes(app);
  registerManualRoutes(app, gate, answers);
  registerCallRoutes(app, { gate, record, answers, max_body_bytes, is_guest });
  if (hasWebsockets) await registerWebsocketRoute(app, { gate, record, report }, settings.websocket);
  await registerOauthRoutes(app, gate);
  registerHealthRoutes(app, gate);
}

// RFC 6750 section 3.1 has these codes; a request without a credential gets none.
function toBearerError(code: ErrorCode | undefined): 'invalid_token' | 'insufficient_scope' | undefined {
  if (code === 'insufficient_scope') return code;
  return code === undefined ? undefined : 'invalid_token';
}
