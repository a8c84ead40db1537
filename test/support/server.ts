import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type LoadedConfig, loadConfig } from '../../src/config/index.js';
import { buildServer, type GatehouseServer, type ServerDependencies } from '../../src/server/server.js';
import { MemorySink } from './sink.js';

export interface TestServerOptions {
  /** `gatehouse.yaml`, as an object; port 0 and loopback are put in. */
  readonly config: Record<string, unknown>;
  /** Further files, by name; objects are written as YAML. */
  readonly files?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly dependencies?: Partial<ServerDependencies>;
}

/** A real server on a real port, from a configuration file in a folder of its own. */
export interface TestServer {
  readonly url: string;
  readonly server: GatehouseServer;
  readonly sink: MemorySink;
  readonly directory: string;
  close(): Promise<void>;
}

export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-'));
  const loaded = await loadFiles(directory, options);
  const sink = new MemorySink();
  const server = await buildServer(loaded, { sink, ...options.dependencies });
  const url = await server.listen();
  return {
    url,
    server,
    sink,
    directory,
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Writes the files of a configuration and loads it. */
export async function loadFiles(directory: string, options: TestServerOptions): Promise<LoadedConfig> {
  const server = { port: 0, admin: { port: 0 }, ...(options.config.server ?? {}) };
  await writeFile(join(directory, 'gatehouse.yaml'), stringify({ ...options.config, server }));
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await writeFile(join(directory, name), typeof content === 'string' ? content : stringify(content));
  }
  return loadConfig(join(directory, 'gatehouse.yaml'), {
    prepare: (config) => ({ config, environment: options.environment ?? {} }),
  });
}

/** The entry of an API key in a caller's `api_keys`. */
export function keyEntry(key: string): { sha256: string } {
  return { sha256: createHash('sha256').update(key).digest('hex') };
}

/** Header that presents a bearer credential. */
export function bearer(key: string): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}
