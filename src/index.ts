/**
 * The server as a library: load a configuration, build a server, listen. The reference client is
 * `utcp-gatehouse/client`.
 *
 * @example
 * const server = await buildServer(await loadConfig('config/gatehouse.yaml'));
 * console.log(await server.listen());
 */
export { type LoadedConfig, type LoadOptions, loadConfig } from './config/index.js';
export { type Finding, GatehouseError, LoadError } from './core/index.js';
export { buildServer, type GatehouseServer, type ServerDependencies } from './server/server.js';
