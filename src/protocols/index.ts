export * from './protocol.js';
export { createProtocols, type ProtocolRegistry } from './registry.js';
