export { basePathOf, createUrlRewriter } from './base-path.js';
export { answerChecklist, describeChecklist } from './checklist.js';
export type { ChecklistItem, Evidence } from './checklist-item.js';
export {
  type ConfigObject,
  defaultKeysFile,
  type LoadedConfig,
  type LoadOptions,
  loadConfig,
  type PreparedConfig,
  readConfig,
} from './load.js';
export { configSchema, type GatehouseConfig } from './schema.js';
export { type ServerConfig, type SheddingConfig, serverSchema } from './server.js';
export type { TracingConfig } from './tracing.js';
