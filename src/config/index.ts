export { answerChecklist, type ChecklistItem, describeChecklist } from './checklist.js';
export { type LoadedConfig, type LoadOptions, loadConfig, type PreparedConfig, parseConfig } from './load.js';
export { configSchema, type GatehouseConfig, type ServerConfig, serverSchema } from './schema.js';
