import { type Block, type BlockList, MemoryBlockList } from './blocks.js';
import type { RedisClient, RedisLink } from './redis-link.js';

export interface RedisBlockListOptions {
  readonly link: RedisLink;
  /** Names the list: `callers`, `revocations`. */
  readonly name: string;
  /** How soon a change is seen whose message was missed; default 750. */
  readonly poll_interval_ms?: number;
}

/** How long a removal is remembered, so that a replica that was cut off doesn't bring the block back. */
const tombstone_ms = 86_400_000;

/**
 * A list that replicas share on Redis: a change is published, and polled for in case the message is missed. Each replica
 * answers from its own copy, so that blocks hold while Redis is away, and puts back what a Redis that lost its data has
 * forgotten; only a removal or its time ends a block.
 */
export async function openRedisBlockList(options: RedisBlockListOptions): Promise<BlockList> {
  const list = new RedisBlockList(options);
  await list.open();
  return list;
}

class RedisBlockList extends MemoryBlockList {
  readonly #link: RedisLink;
  /** A hash: id → `until:reason`, or `-removed at`. */
  readonly #key: string;
  readonly #poll_interval_ms: number;
  /** What was barred or freed here and Redis has not confirmed; until then nothing read there overrules it. */
  readonly #unsent = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  #loading: Promise<void> | undefined;
  #stale = false;

  constructor(options: RedisBlockListOptions) {
    super();
    this.#link = options.link;
    this.#key = `gatehouse:{${options.name}}`;
    this.#poll_interval_ms = options.poll_interval_ms ?? 750;
    this.#link.onRestored(() => void this.#load());
  }

  async open(): Promise<void> {
    this.#unsubscribe = this.#link.subscribe(this.#key, () => void this.#load());
    await this.#load();
    this.#timer = setInterval(() => void this.#load(), this.#poll_interval_ms).unref();
  }

  override async block(id: string, until_ms: number, reason?: string): Promise<void> {
    this.#unsent.add(id);
    await super.block(id, until_ms, reason);
    await this.#link.run((client) => this.#send(client, id));
  }

  override async unblock(id: string): Promise<void> {
    this.#unsent.add(id);
    await super.unblock(id);
    await this.#link.run((client) => this.#send(client, id));
  }

  override async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe?.();
    await this.#loading;
    await super.close();
  }

  async #send(client: RedisClient, id: string): Promise<void> {
    const block = this.blocks.get(id);
    await client.hset(this.#key, id, block ? render(block) : `-${Date.now()}`);
    if (this.blocks.get(id) === block) this.#unsent.delete(id);
    await client.publish(this.#key, '');
  }

  /** One load at a time; a message during one asks for another after it. */
  #load(): Promise<void> {
    this.#stale = this.#loading !== undefined;
    this.#loading ??= this.#link
      .run((client) => this.#exchange(client))
      .then(() => {
        this.#loading = undefined;
        return this.#stale ? this.#load() : undefined;
      });
    return this.#loading;
  }

  async #exchange(client: RedisClient): Promise<void> {
    for (const id of this.#unsent) await this.#send(client, id);
    const shared = await client.hgetall(this.#key);
    const changed = Object.entries(shared).filter(([id, value]) => this.#adopt(id, value)).length;
    for (const [id, block] of this.list()) {
      if (!Object.hasOwn(shared, id)) await client.hsetnx(this.#key, id, render(block));
    }
    const ended = Object.keys(shared).filter((id) => this.#isEnded(shared[id] ?? ''));
    if (ended.length > 0) await client.hdel(this.#key, ...ended);
    if (changed > 0) this.tell();
  }

  /** Follows one entry; says whether it changed anything here. */
  #adopt(id: string, value: string): boolean {
    if (this.#unsent.has(id)) return false;
    const block = parse(value);
    if (!block) return this.blocks.delete(id);
    const known = this.blocks.get(id);
    const same = known?.until_ms === block.until_ms && known.reason === block.reason;
    if (same || block.until_ms <= Date.now()) return false;
    this.blocks.set(id, block);
    return true;
  }

  #isEnded(value: string): boolean {
    const block = parse(value);
    return block ? block.until_ms <= Date.now() : Number(value) < 0 && -Number(value) + tombstone_ms <= Date.now();
  }
}

function render({ until_ms, reason }: Block): string {
  return `${until_ms}:${reason}`;
}

function parse(value: string): Block | undefined {
  const [, until, reason] = /^(\d+|Infinity):(.*)$/s.exec(value) ?? [];
  return until === undefined || reason === undefined ? undefined : { until_ms: Number(until), reason };
}
