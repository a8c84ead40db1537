export * from './audit.js';
export * from './config.js';
export * from './emit.js';
export * from './event.js';
