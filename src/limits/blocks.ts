/** Something barred for a time: a caller, a credential, a token. */
export interface Block {
  /** Epoch milliseconds; `Number.POSITIVE_INFINITY`: until it is taken away. */
  readonly until_ms: number;
  /** A code. */
  readonly reason: string;
}

/**
 * What is refused for a time: callers, by the anomaly detector, a honeypot or an operator. Asked on every request, so it
 * answers from memory. A block is forgotten when its time is over or it is taken away, and for no other reason.
 */
export interface BlockList {
  /** Whether `id` is barred at `now_ms` (epoch milliseconds). */
  isBlocked(id: string, now_ms: number): boolean;
  /** Bars `id` until then: here at once, and soon on every replica that shares the list, when the promise resolves. */
  block(id: string, until_ms: number, reason?: string): Promise<void>;
  unblock(id: string): Promise<void>;
  /** All that holds now. */
  list(): ReadonlyMap<string, Block>;
  /** Calls `listener` when something was barred or freed, here or on another replica. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}

/** A list in this process's memory; gone with a restart. */
export function createMemoryBlockList(): BlockList {
  return new MemoryBlockList();
}

/** The part of every list that answers. */
export class MemoryBlockList implements BlockList {
  protected readonly blocks = new Map<string, Block>();
  readonly #listeners: (() => void)[] = [];

  isBlocked(id: string, now_ms: number): boolean {
    if (this.blocks.size === 0) return false;
    const block = this.blocks.get(id);
    if (!block) return false;
    if (block.until_ms > now_ms) return true;
    this.blocks.delete(id);
    return false;
  }

  async block(id: string, until_ms: number, reason = 'operator'): Promise<void> {
    this.blocks.set(id, { until_ms, reason });
    this.tell();
  }

  async unblock(id: string): Promise<void> {
    if (this.blocks.delete(id)) this.tell();
  }

  list(): ReadonlyMap<string, Block> {
    const now_ms = Date.now();
    for (const id of this.blocks.keys()) this.isBlocked(id, now_ms);
    return this.blocks;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.blocks.clear();
  }

  protected tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
