export { authenticateExchange, createAuthenticate, present } from './authenticate.js';
export {
  authorizeCall,
  authorizeDiscovery,
  authorizeTool,
  readParams,
  refusal,
  requirePrincipal,
} from './authorize.js';
export { countFailure } from './count-failure.js';
export { dispatchCall, dispatchStream, isStreamable } from './dispatch.js';
export { Exchange, type ExchangeKind } from './exchange.js';
export type { Gate } from './gate.js';
export type { Generation } from './generation.js';
export { countExchange, createLimit } from './limit.js';
export { createRecord, type Recorder } from './record.js';
export { ToolRuntime } from './tool-runtime.js';
export { createValidate, decideByArguments, refuseInexactNumber, requireRuntime } from './validate.js';
