export { EgressPolicy } from './egress.js';
export { createGuardedFetch, type GuardedFetch } from './egress-connection.js';
export { listMcpManual } from './mcp-manual.js';
export * from './protocol.js';
export { createProtocols, type ProtocolRegistry } from './registry.js';
export { createTlsProfile } from './tls.js';
