import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { type CancelReason, GatehouseError } from '../core/index.js';
import { describeCancel } from './cancellation.js';

/** Why a connection to an MCP server ended or never stood; the reason code of reports and health. */
export type McpProblem =
  | 'not_started'
  | 'exit'
  | 'connection'
  | 'start_timeout'
  | 'handshake'
  | 'invalid_listing'
  | 'listing_unbounded'
  | 'line_too_long'
  | 'flooding'
  | 'unhealthy'
  | 'session_expired'
  | 'upstream_auth'
  | 'egress_refused';

/** A connection to an MCP server that failed or was ended; never carries what the server said. */
export class McpConnectionError extends Error {
  override readonly name = 'McpConnectionError';

  constructor(
    readonly problem: McpProblem,
    cause?: unknown,
  ) {
    super(`MCP connection: ${problem}`, { cause });
  }
}

/** The JSON-RPC error code by which the stdio transport says that it dropped an answer; no server code lies there. */
export const answerTooLargeCode = -40_001;
/** Likewise: the HTTP transport says that a response stream ended without its answer. */
export const streamEndedCode = -40_002;
const rpcReasons: ReadonlyMap<number, string> = new Map([
  [streamEndedCode, 'stream_ended'],
  [-32_602, 'invalid_params'],
]);

/** What a failed call means for its caller: a code, a reason, and nothing that the server wrote. */
export function toCallError(error: unknown, reason: CancelReason | undefined): GatehouseError {
  if (reason) return describeCancel(reason);
  const refused = findGatehouseError(error);
  if (refused) return refused;
  if (error instanceof ProtocolError) return toRpcError(error);
  if (error instanceof SdkHttpError) {
    const denied = error.status === 401 || error.status === 403;
    return new GatehouseError('upstream_failed', {
      reason: denied ? 'upstream_auth' : 'upstream_status',
      upstream_status: error.status,
      cause: error,
    });
  }
  if (error instanceof SdkError) return toSdkError(error);
  return new GatehouseError('upstream_failed', { reason: 'connection', cause: error });
}

function toRpcError(error: ProtocolError): GatehouseError {
  if (error.code === answerTooLargeCode)
    return new GatehouseError('upstream_too_large', { reason: 'answer_too_large' });
  return new GatehouseError('upstream_failed', { reason: rpcReasons.get(error.code) ?? 'rpc_error', cause: error });
}

function toSdkError(error: SdkError): GatehouseError {
  switch (error.code) {
    case SdkErrorCode.RequestTimeout:
      return new GatehouseError('upstream_timeout', { cause: error });
    case SdkErrorCode.InvalidResult:
      return new GatehouseError('upstream_invalid', { reason: 'invalid_result', cause: error });
    case SdkErrorCode.UnsupportedResultType:
      return new GatehouseError('upstream_failed', { reason: 'input_required', cause: error });
    case SdkErrorCode.ClientHttpUnexpectedContent:
      return new GatehouseError('upstream_invalid', { reason: 'content_type', cause: error });
    default:
      return new GatehouseError('upstream_failed', { reason: 'connection', cause: error });
  }
}

// `fetch` wraps what its connector throws, the egress guard's refusal among it.
function findGatehouseError(error: unknown): GatehouseError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof GatehouseError) return cause;
  }
  return undefined;
}

/** Why opening a connection failed. */
export function toProblem(error: unknown): McpProblem {
  if (error instanceof McpConnectionError) return error.problem;
  const refused = findGatehouseError(error);
  if (refused) return refused.reason === 'token_refused' ? 'upstream_auth' : 'egress_refused';
  if (error instanceof SdkHttpError)
    return error.status === 401 || error.status === 403 ? 'upstream_auth' : 'handshake';
  if (!(error instanceof SdkError)) return error instanceof ProtocolError ? 'handshake' : 'connection';
  if (error.code === SdkErrorCode.RequestTimeout) return 'start_timeout';
  if (error.code === SdkErrorCode.ConnectionClosed || error.code === SdkErrorCode.EraNegotiationFailed) return 'exit';
  return error.code === SdkErrorCode.InvalidResult ? 'invalid_listing' : 'handshake';
}

// 404 is what MCP asks for (2025-11-25, Transports, session management); the reference server answers 400.
const sessionGone: ReadonlySet<number> = new Set([400, 404]);

/** Why the connection is of no more use after a failed request; undefined: the request alone failed. */
export function toLoss(error: unknown): McpProblem | undefined {
  if (error instanceof ProtocolError) return error.code === streamEndedCode ? 'connection' : undefined;
  if (findGatehouseError(error)) return undefined;
  if (error instanceof SdkHttpError) return sessionGone.has(error.status) ? 'session_expired' : undefined;
  if (!(error instanceof SdkError)) return 'connection';
  const lost: readonly SdkErrorCode[] = [
    SdkErrorCode.ConnectionClosed,
    SdkErrorCode.NotConnected,
    SdkErrorCode.SendFailed,
  ];
  return lost.includes(error.code) ? 'connection' : undefined;
}
