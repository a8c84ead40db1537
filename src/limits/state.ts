import { type BlockList, createMemoryBlockList } from './blocks.js';
import type { StateConfig } from './config.js';
import { openFileBlockList } from './file-blocks.js';
import type { Limiter } from './limiter.js';
import { createMemoryLimiter } from './memory.js';
import { createRedisLimiter } from './redis.js';
import { openRedisBlockList } from './redis-blocks.js';
import type { RedisLink, RedisReason, StoreStatus } from './redis-link.js';

export interface StateOptions {
  readonly config: StateConfig;
  /** The value of `redis_url_variable`; undefined: everything is held in memory. */
  readonly redis_url: string | undefined;
  /** Told when Redis goes away, with a reason code, and when it is back. */
  readonly onChange?: (status: StoreStatus, reason: RedisReason) => void;
  /** Without Redis, the folder that holds blocked callers; absent: they are gone with the process. */
  readonly blocks_dir?: string;
  /** Takes a line of plain text when that folder can't be read or written. */
  readonly report?: (problem: string) => void;
}

/** What outlives requests, and what replicas share when there is a Redis. */
export interface State {
  /** Counts verified callers. */
  readonly limiter: Limiter;
  /** Counts addresses, in memory of its own: a flood of them must refuse nobody else. */
  readonly addressLimiter: Limiter;
  /** Callers that are barred. */
  readonly blocks: BlockList;
  /** Credentials and tokens that were taken back, by whatever names them. */
  readonly revocations: BlockList;
  /** `memory` when nothing is shared; `degraded` while Redis is away. */
  readonly status: StoreStatus | 'memory';
  close(): Promise<void>;
}

/**
 * Opens the state of a server. A Redis that is away holds up no start: the state is `degraded` until it is there.
 *
 * @throws LoadError when the URL is of no known form
 */
export async function openState(options: StateOptions): Promise<State> {
  const { config, redis_url } = options;
  const { max_keys } = config;
  const locals = { callers: createMemoryLimiter({ max_keys }), addresses: createMemoryLimiter({ max_keys }) };
  if (redis_url === undefined) {
    const blocks = openLocalBlocks(options);
    return new OpenState(locals.callers, locals.addresses, blocks, createMemoryBlockList(), undefined);
  }
  const { timeout_ms, on_failure } = config;
  // Read where it is used alone: ioredis is a tenth of the modules of a start.
  const { RedisLink } = await import('./redis-link.js');
  const link = new RedisLink({ url: redis_url, timeout_ms, ...(options.onChange && { onChange: options.onChange }) });
  await link.open();
  return new OpenState(
    createRedisLimiter({ link, local: locals.callers, on_failure }),
    createRedisLimiter({ link, local: locals.addresses, on_failure }),
    await openRedisBlockList({ link, name: 'callers' }),
    await openRedisBlockList({ link, name: 'revocations' }),
    link,
  );
}

function openLocalBlocks({ blocks_dir, report }: StateOptions): BlockList {
  if (blocks_dir === undefined) return createMemoryBlockList();
  return openFileBlockList({ folder: blocks_dir, ...(report && { report }) });
}

class OpenState implements State {
  constructor(
    readonly limiter: Limiter,
    readonly addressLimiter: Limiter,
    readonly blocks: BlockList,
    readonly revocations: BlockList,
    readonly link: RedisLink | undefined,
  ) {}

  get status(): StoreStatus | 'memory' {
    return this.link?.status ?? 'memory';
  }

  async close(): Promise<void> {
    await this.blocks.close();
    await this.revocations.close();
    await this.limiter.close();
    await this.addressLimiter.close();
    await this.link?.close();
  }
}
