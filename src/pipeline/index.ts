export { authenticateExchange, createAuthenticate, present } from './authenticate.js';
export {
  authorizeCall,
  authorizeDiscovery,
  authorizeTool,
  readParams,
  refusal,
  requirePrincipal,
} from './authorize.js';
export { CallsInFlight } from './calls-in-flight.js';
export { countFailure } from './count-failure.js';
export { dispatchCall, dispatchStream, isStreamable } from './dispatch.js';
export { Exchange, type ExchangeKind, type Route } from './exchange.js';
export type { Gate, PressureReason } from './gate.js';
export type { Generation } from './generation.js';
export { countExchange, createLimit, noteLimit } from './limit.js';
export { createMark, markExchange } from './mark.js';
export { createRecord, type Recorder } from './record.js';
export { refuseBusy } from './refuse-busy.js';
export { type ToolParts, ToolRuntime } from './tool-runtime.js';
export {
  type ExchangeTrace,
  type OpenSpan,
  readTraceHeaders,
  type TraceHeaders,
  type Tracing,
  traceStage,
} from './trace.js';
export {
  type ArgumentSource,
  createValidate,
  decideByArguments,
  refuseInexactNumber,
  requireRuntime,
} from './validate.js';
