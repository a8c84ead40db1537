export { type Client, createClient } from './client.js';
export {
  AuthenticationError,
  InvalidInputError,
  InvalidManualError,
  NotFoundError,
  PathNotAllowedError,
  PermissionError,
  RateLimitedError,
  ToolError,
  type ToolErrorDetails,
  ToolUnusableError,
  TransportError,
  UpstreamError,
} from './errors.js';
export type { ServedManual, ServedTool } from './manual.js';
export type {
  CallOptions,
  ClientOptions,
  Credential,
  OAuth2Credential,
  SearchOptions,
  StreamChunk,
} from './options.js';
export { type ManualChange, ManualChangedError, ManualSignatureError } from './signature.js';
