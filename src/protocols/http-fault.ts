import { errors } from 'undici';
import { codeOf, type ErrorCode, GatehouseError } from '../core/index.js';

/** What a failed connection is called, in errors and in `upstream.failed`. */
export type FaultReason =
  | 'connect_refused'
  | 'connect_timeout'
  | 'connection_reset'
  | 'connection_failed'
  | 'name_not_resolved'
  | 'tls_failed'
  | 'answer_malformed'
  | 'closed';

const reasons: Readonly<Record<string, FaultReason>> = {
  ECONNREFUSED: 'connect_refused',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  ETIMEDOUT: 'connect_timeout',
  ENOTFOUND: 'name_not_resolved',
  EAI_AGAIN: 'name_not_resolved',
  EPROTO: 'tls_failed',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  UND_ERR_SOCKET: 'connection_reset',
  UND_ERR_CLOSED: 'closed',
  UND_ERR_DESTROYED: 'closed',
  UND_ERR_HEADERS_OVERFLOW: 'answer_malformed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'answer_malformed',
};

/** Reasons that say the upstream could not be reached; another try may reach it. */
const unreachable: ReadonlySet<string> = new Set<FaultReason>([
  'connect_refused',
  'connect_timeout',
  'connection_reset',
  'connection_failed',
  'name_not_resolved',
]);

/** Whether an error says that the upstream could not be reached. */
export function isUnreachable(error: GatehouseError): boolean {
  return unreachable.has(error.reason);
}

/** Turns what a connection failed with into a coded error; its text, which may hold addresses, is for the log alone. */
export function describeFault(error: unknown): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const reason = findReason(error);
  const code: ErrorCode = reason === 'connect_timeout' ? 'upstream_timeout' : 'upstream_failed';
  return new GatehouseError(code, { reason, internal: `The upstream failed: ${reason}.`, cause: error });
}

function findReason(error: unknown): FaultReason {
  // Node tries every address of a name and throws what all of them failed with.
  if (error instanceof AggregateError && error.errors.length > 0) return findReason(error.errors[0]);
  const code = codeOf(error) ?? '';
  const known = reasons[code];
  if (known) return known;
  // Node's parser gives its errors a code, undici's none.
  if (code.startsWith('HPE_') || error instanceof errors.HTTPParserError) return 'answer_malformed';
  return /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code) ? 'tls_failed' : 'connection_failed';
}
