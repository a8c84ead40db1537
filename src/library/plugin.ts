import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { type configSchema, loadConfig } from '../config/index.js';
import { describeFinding, type LocalTool } from '../core/index.js';
import type { EventSink } from '../events/index.js';
import { mountServer } from '../server/server.js';

/** What `gatehouse.yaml` says, as an object. */
export type GatehouseSettings = z.input<typeof configSchema>;

/** Options of the `gatehouse` plugin; `prefix` is Fastify's own. */
export interface GatehouseOptions {
  /** A configuration file, or what it would say. */
  readonly config: string | GatehouseSettings;
  /** Where relative paths of a configuration object start; the working directory unless told. */
  readonly base_dir?: string;
  /** Tools of this program, made by `defineTool`. */
  readonly tools?: readonly LocalTool[];
  /** Where variables come from ahead of files; `process.env` unless told. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where security events go; the configured log unless told. */
  readonly sink?: EventSink;
  /** Whether to open the configuration's admin listener, with metrics and readiness, when the app listens; not unless told. */
  readonly admin?: boolean;
  /** Takes a line for the operator (a handler that failed, say); the app's logger unless told. */
  readonly report?: (line: string) => void;
}

/**
 * Serves UTCP manuals and tools as a part of an existing Fastify app, under the prefix that it is registered with. All
 * hooks, parsers and handlers stay within that part, and it ends with the app: calls in flight have the drain time.
 * Rejects with LoadError, so that the app does not start, when the configuration or a tool can't be used.
 *
 * @example
 * const app = fastify();
 * await app.register(gatehouse, { prefix: '/agents', config: './gatehouse.yaml', tools: [greet] });
 * await app.listen({ port: 3000 });
 */
export async function gatehouse(app: FastifyInstance, options: GatehouseOptions): Promise<void> {
  const { config, base_dir = process.cwd(), tools = [], environment = process.env, sink, admin = false } = options;
  const source = typeof config === 'string' ? config : { value: config, base_dir };
  const loaded = await loadConfig(source, { tools, prepare: (parsed) => ({ config: parsed, environment }) });
  const report = options.report ?? ((line: string) => app.log.error(line));
  const notices = await mountServer(app, loaded, { report, admin, ...(sink && { sink }) });
  for (const notice of notices) report(describeFinding(notice));
}
