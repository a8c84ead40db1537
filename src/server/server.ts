import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { LoadedConfig, ServerConfig } from '../config/index.js';
import type { Finding } from '../core/index.js';
import { createEventSink, type EventSink, type SecurityEvent } from '../events/index.js';
import { createMemoryBlockList, createMemoryLimiter } from '../limits/index.js';
import { Publisher } from '../manual/index.js';
import type { Gate } from '../pipeline/index.js';
import { createProtocols, type ProtocolRegistry, type UpstreamReport } from '../protocols/index.js';
import { registerCallRoutes } from '../routes/call.js';
import { createErrorResponder } from '../routes/errors.js';
import { registerHealthRoutes } from '../routes/health.js';
import { registerManualRoutes } from '../routes/manual.js';
import { createSchemaCompiler } from '../schema/index.js';
import { createApp, installExchange } from './app.js';
import { buildGeneration } from './generation.js';
import { buildAuthenticator } from './identity.js';
import { computeStandardHeaders } from './standard-headers.js';

export interface ServerDependencies {
  /** Where security events go; the configured log when absent. */
  readonly sink?: EventSink;
  /** The protocols that templates are bound to; all of them when absent. */
  readonly protocols?: ProtocolRegistry;
  /** Takes a line for the operator; standard error when absent. */
  readonly report?: (line: string) => void;
}

/** A server that is wired and checked; it listens when it is told to. */
export interface GatehouseServer {
  readonly app: FastifyInstance;
  readonly gate: Gate;
  /** Warnings of the load that an operator should see. */
  readonly notices: readonly Finding[];
  /** Listens, and gives the URL that callers reach it by. */
  listen(): Promise<string>;
  /** Takes nothing new, lets what is in flight finish within the drain time, ends everything. */
  close(): Promise<void>;
}

/** Wires a server for a loaded configuration. Throws LoadError when something that it names can't be used. */
export async function buildServer(loaded: LoadedConfig, deps: ServerDependencies = {}): Promise<GatehouseServer> {
  const report = deps.report ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const settings = loaded.config.server;
  const notices = [...loaded.notices];
  const { variables } = loaded;
  const readVariable = (name: string) => (variables.has(name) ? variables.load(name) : undefined);
  const sink = deps.sink ?? createEventSink({ config: loaded.config.security_log, readVariable, report });
  const protocols = deps.protocols ?? createProtocols({ report: (fact) => sink.emit(describeUpstream(fact)) });
  const authenticator = buildAuthenticator(loaded);
  const public_url = settings.public_url ?? localUrl(settings, settings.port);
  const parts = { protocols, compiler: createSchemaCompiler(), authenticator, public_url };
  const gate: Gate = {
    generation: buildGeneration(loaded, parts, notices),
    limiter: createMemoryLimiter(),
    addressLimiter: createMemoryLimiter(),
    sink,
    blocks: createMemoryBlockList(),
    draining: false,
  };
  await protocols.start();
  const app = await wireApp(settings, gate, report);
  return {
    app,
    gate,
    notices,
    async listen() {
      await app.listen({ host: settings.host, port: settings.port });
      const url = settings.public_url ?? localUrl(settings, portOf(app));
      gate.generation = { ...gate.generation, publisher: publisherAt(url, loaded) };
      gate.generation.publisher.prepare();
      sink.emit(describeLoad(gate));
      return url;
    },
    async close() {
      gate.draining = true;
      await app.close();
      await protocols.close();
      await authenticator.close();
      await gate.limiter.close();
      await gate.addressLimiter.close();
      await sink.close();
    },
  };
}

async function wireApp(settings: ServerConfig, gate: Gate, report: (line: string) => void): Promise<FastifyInstance> {
  const app = createApp(settings);
  const errors = createErrorResponder({
    challenge: () => 'Bearer realm="gatehouse"',
    report: (error, request_id) => report(`internal error in request ${request_id}: ${error.stack ?? error.message}`),
  });
  const isSecure = settings.tls !== undefined || settings.public_url?.startsWith('https:') === true;
  installExchange(app, gate, errors, await computeStandardHeaders(isSecure));
  registerManualRoutes(app, gate);
  registerCallRoutes(app, gate);
  registerHealthRoutes(app, gate);
  await app.ready();
  return app;
}

function publisherAt(public_url: string, loaded: LoadedConfig): Publisher {
  return new Publisher(loaded.catalog, { public_url, max_cache_bytes: loaded.config.server.manual_cache_bytes });
}

function portOf(app: FastifyInstance): number {
  const address: AddressInfo | string | null = app.server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

// An unspecified address is no place that a caller can go to.
function localUrl(settings: ServerConfig, port: number): string {
  const host = settings.host === '0.0.0.0' || settings.host === '::' ? '127.0.0.1' : settings.host;
  const name = host.includes(':') ? `[${host}]` : host;
  return `${settings.tls ? 'https' : 'http'}://${name}:${port}`;
}

function describeUpstream(fact: UpstreamReport): SecurityEvent {
  const tool = fact.tool === undefined ? {} : { tool: fact.tool };
  return { event: 'upstream.failed', outcome: 'failure', upstream: fact.upstream, reason: fact.reason, ...tool };
}

function describeLoad(gate: Gate): SecurityEvent {
  const { config_digest, policy_digest, catalog } = gate.generation;
  return {
    event: 'config.loaded',
    outcome: 'success',
    config_digest,
    manual_digest: catalog.digest,
    policy_digest,
    tools: catalog.tools.length,
  };
}
