import { resolve } from 'node:path';
import type { GatehouseConfig } from './schema.js';

/** A configuration whose own paths are absolute; those of manuals are resolved as the manuals are read. */
export function resolvePaths(config: GatehouseConfig, base_dir: string): GatehouseConfig {
  const { variables, server, security_log, mcp, auth, signing, state } = config;
  const absolute = (path: string) => resolve(base_dir, path);
  return {
    ...config,
    variables: {
      ...variables,
      ...(variables.dotenv_file !== undefined && { dotenv_file: absolute(variables.dotenv_file) }),
      ...(variables.secrets_dir !== undefined && { secrets_dir: absolute(variables.secrets_dir) }),
    },
    server: {
      ...server,
      ...(server.tls && {
        tls: {
          ...server.tls,
          cert_file: absolute(server.tls.cert_file),
          key_file: absolute(server.tls.key_file),
          ...(server.tls.client_ca_file !== undefined && { client_ca_file: absolute(server.tls.client_ca_file) }),
        },
      }),
    },
    auth: {
      ...auth,
      ...(auth.keys_file !== undefined && { keys_file: absolute(auth.keys_file) }),
      issuer: {
        ...auth.issuer,
        ...(auth.issuer.key_file !== undefined && { key_file: absolute(auth.issuer.key_file) }),
      },
    },
    mcp: { ...mcp, ...(mcp.lock_file !== undefined && { lock_file: absolute(mcp.lock_file) }) },
    signing: { ...(signing.key_file !== undefined && { key_file: absolute(signing.key_file) }) },
    state: { ...state, blocks_dir: absolute(state.blocks_dir ?? 'blocks') },
    security_log: {
      ...security_log,
      ...(security_log.file !== undefined && { file: absolute(security_log.file) }),
    },
  };
}
