/**
 * The server as a library. `gatehouse` serves manuals as a part of an existing Fastify app, `buildServer` as a server of
 * its own; `defineTool` adds tools that are functions of the program. The reference client is `utcp-gatehouse/client`.
 *
 * @example
 * const server = await buildServer(await loadConfig('config/gatehouse.yaml'));
 * console.log(await server.listen());
 */
export { type ConfigObject, type LoadedConfig, type LoadOptions, loadConfig } from './config/index.js';
export {
  type ErrorCode,
  type ErrorDetails,
  type Finding,
  GatehouseError,
  LoadError,
  type LocalCaller,
  type LocalContext,
  type LocalTool,
} from './core/index.js';
export type { EventSink, SecurityEvent } from './events/index.js';
export { type GatehouseOptions, type GatehouseSettings, gatehouse } from './library/plugin.js';
export { defineTool, type ToolDefinition } from './library/tool.js';
export { buildServer, type GatehouseServer, type ServerDependencies } from './server/server.js';
