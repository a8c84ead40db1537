import { Cluster, Redis } from 'ioredis';
import { parseRedisUrl, type RedisAddress } from './redis-url.js';

export type StoreStatus = 'ok' | 'degraded';
export type RedisClient = Redis | Cluster;

export interface RedisLinkOptions {
  /** See `parseRedisUrl`. */
  readonly url: string;
  /** How long one command may take before Redis counts as away. */
  readonly timeout_ms: number;
  /** Told when Redis goes away (with a reason code) and when it is back; from a degraded start on. */
  readonly onChange?: (status: StoreStatus, reason: RedisReason) => void;
}

export type RedisReason = 'redis_unreachable' | 'redis_timeout' | 'redis_refused' | 'redis_restored';

const probeInterval_ms = 500;
const maxReconnectWait_ms = 1000;

/**
 * One connection to Redis (a server, a cluster, or the master that sentinels name) and what is known of its health. A
 * command that fails makes the link degraded at once, so that no later request waits for it; a probe that writes finds out
 * when Redis is back.
 */
export class RedisLink {
  readonly client: RedisClient;
  readonly #options: RedisLinkOptions;
  readonly #restored: (() => void)[] = [];
  #status: StoreStatus = 'degraded';
  #probe: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws LoadError when the URL is of no known form */
  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.client = createClient(parseRedisUrl(options.url), options.timeout_ms);
    // Each failed command says so itself; without a listener ioredis would print every reconnection.
    this.client.on('error', () => undefined);
  }

  get status(): StoreStatus {
    return this.#status;
  }

  /** Connects, or goes on without: resolves within about two timeouts either way. */
  async open(): Promise<void> {
    const opened = this.client.connect().then(
      () => true,
      () => false,
    );
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 2 * this.#options.timeout_ms, false).unref());
    if ((await Promise.race([opened, late])) && (await this.#answers())) this.#status = 'ok';
    else this.#degrade('redis_unreachable', true);
  }

  /** Runs commands; undefined, and a degraded link, when they fail. */
  async run<T>(commands: (client: RedisClient) => Promise<T>): Promise<T | undefined> {
    if (this.#status !== 'ok') return undefined;
    try {
      return await commands(this.client);
    } catch (error) {
      this.#degrade(toReason(error));
      return undefined;
    }
  }

  /** Calls `listener` each time Redis is back. */
  onRestored(listener: () => void): void {
    this.#restored.push(listener);
  }

  /** A second connection that only listens; it finds its way back after an interruption by itself. */
  subscribe(channel: string, listener: () => void): () => void {
    const subscriber = this.client instanceof Cluster ? this.client.duplicate() : this.client.duplicate();
    subscriber.on('error', () => undefined);
    subscriber.on('message', listener);
    const subscribe = () => {
      // What is missed while this fails, the poll of the subscriber's owner finds.
      subscriber.subscribe(channel).catch(() => undefined);
    };
    subscriber.on('ready', subscribe);
    subscriber.connect().catch(() => undefined);
    return () => subscriber.disconnect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#probe);
    this.client.disconnect();
  }

  #degrade(reason: RedisReason, first = false): void {
    if (this.#closed || (this.#status === 'degraded' && !first)) return;
    this.#status = 'degraded';
    this.#options.onChange?.('degraded', reason);
    this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    this.#probe = setTimeout(() => void this.#tryAgain(), probeInterval_ms).unref();
  }

  async #tryAgain(): Promise<void> {
    const answers = await this.#answers();
    if (this.#closed) return;
    if (!answers) return this.#scheduleProbe();
    this.#status = 'ok';
    this.#options.onChange?.('ok', 'redis_restored');
    for (const listener of this.#restored) listener();
  }

  /** Reading is not enough: a replica, or a server out of memory, answers and counts nothing. */
  async #answers(): Promise<boolean> {
    try {
      return (await this.client.set('gatehouse:probe', '1', 'PX', 1000)) === 'OK';
    } catch {
      // The next probe asks again.
      return false;
    }
  }
}

function toReason(error: unknown): RedisReason {
  if (!(error instanceof Error)) return 'redis_unreachable';
  if (error.message.includes('timed out')) return 'redis_timeout';
  return error.name === 'ReplyError' ? 'redis_refused' : 'redis_unreachable';
}

function createClient(address: RedisAddress, timeout_ms: number): RedisClient {
  const reconnect = (tries: number) => Math.min(tries * 50, maxReconnectWait_ms);
  const common = {
    lazyConnect: true,
    // A request must not wait for a connection: it is decided locally instead.
    enableOfflineQueue: false,
    enableAutoPipelining: true,
  };
  const connection = {
    connectTimeout: Math.max(timeout_ms, 1000),
    commandTimeout: timeout_ms,
    // A connection whose other end is gone without a word is given up and made anew.
    socketTimeout: 4 * timeout_ms,
    maxRetriesPerRequest: 0,
    db: address.db,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    ...(address.tls && { tls: {} }),
  };
  const hosts = address.hosts.map(({ host, port }) => ({ host, port }));
  if (address.kind === 'cluster') {
    return new Cluster(hosts, { ...common, redisOptions: connection, clusterRetryStrategy: reconnect });
  }
  const single = { ...common, ...connection, retryStrategy: reconnect };
  if (address.kind === 'single') return new Redis({ ...single, ...hosts[0] });
  return new Redis({ ...single, sentinels: hosts, name: address.master ?? '', sentinelRetryStrategy: reconnect });
}
