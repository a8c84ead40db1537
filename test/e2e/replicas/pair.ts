import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startNginx, type TestNginx } from '../../support/nginx.js';
import { findFreePort } from '../../support/port.js';
import { type PrivateRedis, startRedis } from '../../support/redis.js';
import { Replica } from '../../support/replica.js';

export interface PairOptions {
  /** Where the compiled sources are (support/build.ts). */
  readonly build: string;
  /** `gatehouse.yaml` but for what replicas and their log need; `replica` is 0 or 1. */
  readonly config: (replica: number) => Record<string, unknown>;
  /** Further files beside each configuration, by name. */
  readonly files: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the second replica's log lies; beside its configuration when absent. */
  readonly second_log?: (folder: string) => string;
  /** Makes the second replica's command line another one. */
  readonly wrap_second?: (command: readonly string[]) => readonly string[];
}

/** Two replicas in processes of their own, on one Redis, behind one nginx as it is deployed. */
export interface Pair {
  /** Of nginx; its answers name the replica's port in `x-served-by`. */
  readonly url: string;
  /** The authority of nginx's certificate, in PEM. */
  readonly ca: string;
  readonly redis: PrivateRedis;
  readonly replicas: readonly [Replica, Replica];
  /** The folder of each replica's files. */
  readonly folders: readonly [string, string];
  readonly logs: readonly [string, string];
  close(): Promise<void>;
}

export async function startPair(options: PairOptions): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pair-'));
  const [port = 0, ...ports] = await chooseFreePorts(3);
  const redis = await startRedis(folder);
  const folders = [0, 1].map((index) => mkdtempSync(join(folder, `replica-${index + 1}-`)));
  const [first = '', second = ''] = folders;
  const logs = [join(first, 'security.log'), options.second_log?.(second) ?? join(second, 'security.log')] as const;
  const gateway_url = `https://localhost:${port}`;
  const replicas = folders.map((place, index) => {
    writeReplica(place, options, { index, port: ports[index] ?? 0, log: logs[index] ?? '', gateway_url });
    return new Replica({
      build: options.build,
      config: join(place, 'gatehouse.yaml'),
      environment: { ...options.environment, UTCP_REDIS_URL: redis.url },
      ...(index === 1 && options.wrap_second && { wrap: options.wrap_second }),
    });
  });
  const [one, two] = replicas;
  if (!one || !two) throw new Error('unreachable');
  const started: (Replica | TestNginx)[] = [];
  const close = async () => {
    await Promise.all(started.map((part) => (part instanceof Replica ? part.stop() : part.close())));
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    started.push(one, two);
    await Promise.all([one.start(), two.start()]);
    const nginx = await startNginx({ replicas: ports.map((own) => `127.0.0.1:${own}`), adapt: adaptNginx }, port);
    started.push(nginx);
    return { url: gateway_url, ca: nginx.ca, redis, replicas: [one, two], folders: [first, second], logs, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Says which replica answered, and takes one back into service sooner than after ten seconds. */
function adaptNginx(config: string): string {
  return config
    .replace('location / {', 'location / {\n      add_header X-Served-By $upstream_addr always;')
    .replaceAll(/server 127\.0\.0\.1:\d+/g, '$& fail_timeout=1s');
}

async function chooseFreePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}

interface Place {
  readonly index: number;
  readonly port: number;
  readonly log: string;
  readonly gateway_url: string;
}

/** Writes the configuration of one replica and its files. */
function writeReplica(folder: string, options: PairOptions, place: Place): void {
  for (const [name, content] of Object.entries(options.files)) {
    writeFileSync(join(folder, name), typeof content === 'string' ? content : stringify(content));
  }
  writeFileSync(join(folder, 'gatehouse.yaml'), stringify(describeReplica(options, place)));
}

function describeReplica(options: PairOptions, { index, port, log, gateway_url }: Place): Record<string, unknown> {
  const config = options.config(index);
  return {
    state: { redis_url_variable: 'UTCP_REDIS_URL' },
    ...config,
    security_log: { ...asObject(config.security_log), file: log, hash_chain: true },
    server: {
      port,
      public_url: gateway_url,
      trust_proxy: ['127.0.0.1'],
      admin: { port: 0 },
      ...asObject(config.server),
    },
  };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
