export { answerChecklist, type ChecklistItem, describeChecklist } from './checklist.js';
export {
  type ConfigObject,
  defaultKeysFile,
  type LoadedConfig,
  type LoadOptions,
  loadConfig,
  type PreparedConfig,
  parseConfig,
  readConfig,
} from './load.js';
export { configSchema, type GatehouseConfig, type ServerConfig, serverSchema } from './schema.js';
