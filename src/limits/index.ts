export * from './address.js';
export * from './blocks.js';
export * from './config.js';
export * from './headers.js';
export * from './limiter.js';
export * from './memory.js';
export * from './plan.js';
export * from './route-store.js';
