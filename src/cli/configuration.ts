import { createHash, randomBytes } from 'node:crypto';
import { type GatehouseConfig, type LoadedConfig, loadConfig, type PreparedConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import type { Io } from './command.js';

/** Loads a configuration for a command that starts nothing: the example's upstream has an address, but is not there. */
export function loadForCommand(file: string, io: Io): Promise<LoadedConfig> {
  return loadConfig(file, {
    prepare: (config) => ({
      config: applyEnvironment(config, io.environment),
      environment: config.example
        ? { ...io.environment, ...exampleVariables('http://127.0.0.1:1', 'none') }
        : io.environment,
    }),
  });
}

/** `PORT` and `HOST` in the environment win over the file. Throws LoadError for a port that is none. */
export function applyEnvironment(config: GatehouseConfig, environment: Io['environment']): GatehouseConfig {
  const { PORT, HOST } = environment;
  if (PORT !== undefined && PORT !== '' && !(/^\d{1,5}$/.test(PORT) && Number(PORT) <= 65_535)) {
    throw LoadError.of({
      rule: 'port-invalid',
      pointer: '/server/port',
      message: 'PORT in the environment is not a port.',
      mend: 'Use a number from 0 to 65535; 0 takes any free one.',
    });
  }
  return {
    ...config,
    server: { ...config.server, ...(PORT && { port: Number(PORT) }), ...(HOST && { host: HOST }) },
  };
}

/** The variables that the example's manual uses. */
export function exampleVariables(url: string, key: string): Readonly<Record<string, string>> {
  return { API_BOOKSHOP_URL: url, API_BOOKSHOP_KEY: key };
}

/**
 * The example's configuration with an API key for every caller that has no credential: one of `keys`, or a fresh one
 * that is put there, so that a reload keeps what was printed.
 */
export function withExampleKeys(prepared: PreparedConfig, keys: Map<string, string>): PreparedConfig {
  const callers = prepared.config.callers.map((caller) => {
    if (caller.api_keys || caller.oauth_client || caller.certificate) return caller;
    const key = keys.get(caller.id) ?? `gh_example_${randomBytes(24).toString('base64url')}`;
    keys.set(caller.id, key);
    return { ...caller, api_keys: { current: { sha256: createHash('sha256').update(key).digest('hex') } } };
  });
  return { ...prepared, config: { ...prepared.config, callers } };
}
