export { type DocumentFetch, fetchDocument } from './document-fetch.js';
export { EgressPolicy } from './egress.js';
export { createGuardedFetch, type GuardedFetch } from './egress-connection.js';
export { listMcpManual, parseMcpSource } from './mcp-manual.js';
export {
  approveMcpTools,
  type McpChange,
  type McpReview,
  reviewMcpServers,
  targetsOfSource,
  targetsOfTools,
} from './mcp-review.js';
export * from './protocol.js';
export { createProtocols, type ProtocolRegistry } from './registry.js';
export { createTlsProfile } from './tls.js';
