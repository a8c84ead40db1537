export * from './call.js';
export * from './errors.js';
export * from './finding.js';
export * from './json.js';
export * from './local-tool.js';
export * from './principal.js';
export * from './scope.js';
export * from './tool.js';
