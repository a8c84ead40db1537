export * from './audit.js';
export type { ChainHead } from './chain.js';
export * from './config.js';
export * from './emit.js';
export * from './event.js';
