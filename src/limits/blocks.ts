/** Callers that are refused for a time: by the anomaly detector, a honeypot or an operator. */
export interface BlockList {
  /** Whether the caller is refused now (epoch milliseconds). Synchronous: every request asks. */
  isBlocked(caller: string, now_ms: number): boolean;
  /** Refuses the caller until then (epoch milliseconds). */
  block(caller: string, until_ms: number): void;
  unblock(caller: string): void;
  close(): Promise<void>;
}

/** Blocks held in this process's memory; gone with a restart. */
export function createMemoryBlockList(): BlockList {
  const blocked = new Map<string, number>();
  return {
    isBlocked(caller, now_ms) {
      if (blocked.size === 0) return false;
      const until_ms = blocked.get(caller);
      if (until_ms === undefined) return false;
      if (until_ms > now_ms) return true;
      blocked.delete(caller);
      return false;
    },
    block: (caller, until_ms) => void blocked.set(caller, until_ms),
    unblock: (caller) => void blocked.delete(caller),
    async close() {
      blocked.clear();
    },
  };
}
