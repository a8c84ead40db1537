import { hash } from 'node:crypto';
import { GatehouseError } from '../core/index.js';
import { granuleOf, type Limit, type LimitDecision, type Limiter, type LocalLimiter } from './limiter.js';
import type { RedisClient, RedisLink } from './redis-link.js';
import { takeScript } from './redis-script.js';

export interface RedisLimiterOptions {
  readonly link: RedisLink;
  /** Counts this process's share all the while, and decides alone while Redis is away. */
  readonly local: LocalLimiter;
  /** While Redis is away: `local` decides here at the same rates, `refuse` refuses (503). */
  readonly on_failure: 'local' | 'refuse';
  /** Milliseconds; default the clock of Redis, which all replicas share. For tests. */
  readonly now?: () => number;
}

type Mode = 'take' | 'peek';

/** What the script needs of one set of limits; made once a set, and kept as long as the set is. */
interface ScriptInput {
  readonly keys: readonly string[];
  readonly settings: readonly string[];
}

const scriptDigest = hash('sha1', takeScript, 'hex');

/**
 * Counts on Redis, so that replicas share one limit: one atomic script and one round trip a request. The answers are
 * memory.ts's.
 */
export function createRedisLimiter(options: RedisLimiterOptions): Limiter {
  return new RedisLimiter(options);
}

class RedisLimiter implements Limiter {
  readonly #options: RedisLimiterOptions;
  readonly #inputs = new WeakMap<readonly Limit[], ScriptInput>();

  constructor(options: RedisLimiterOptions) {
    this.#options = options;
  }

  take(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision> {
    return this.#options.link.status === 'ok' ? this.#ask('take', limits) : this.#decideAlone('take', limits);
  }

  peek(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision> {
    return this.#options.link.status === 'ok' ? this.#ask('peek', limits) : this.#decideAlone('peek', limits);
  }

  /** Closes the local limiter; the link has an owner of its own. */
  async close(): Promise<void> {
    await this.#options.local.close();
  }

  async #ask(mode: Mode, limits: readonly Limit[]): Promise<LimitDecision> {
    const now = this.#options.now?.();
    const input = this.#inputOf(limits);
    const args = [mode, now === undefined ? '' : String(now), ...input.settings];
    const reply = await this.#options.link.run((client) => runScript(client, input.keys, args));
    const decision = reply === undefined ? undefined : readReply(reply, limits);
    if (!decision) return this.#decideAlone(mode, limits);
    // So that an outage doesn't hand out anew what this process has served of the current windows.
    if (mode === 'take' && decision.allowed) this.#options.local.take(limits);
    return decision;
  }

  #decideAlone(mode: Mode, limits: readonly Limit[]): LimitDecision | Promise<LimitDecision> {
    if (this.#options.on_failure === 'refuse') {
      return Promise.reject(new GatehouseError('overloaded', { reason: 'state_unavailable', retry_after: 1 }));
    }
    return this.#options.local[mode](limits);
  }

  #inputOf(limits: readonly Limit[]): ScriptInput {
    let input = this.#inputs.get(limits);
    if (!input) {
      // Callers' names may hold anything, so keys are digests. The braces put all of a subject's keys into one slot.
      const tag = `gatehouse:{${digest(limits[0]?.subject ?? '')}}`;
      input = {
        keys: limits.map(({ key }) => `${tag}:${digest(key)}`),
        settings: limits.flatMap((limit) => [limit.limit, limit.window_ms, granuleOf(limit)].map(String)),
      };
      this.#inputs.set(limits, input);
    }
    return input;
  }
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

async function runScript(client: RedisClient, keys: readonly string[], args: readonly string[]): Promise<unknown> {
  try {
    return await client.evalsha(scriptDigest, keys.length, ...keys, ...args);
  } catch (error) {
    // A server that was started since the script was last sent doesn't know it.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return client.eval(takeScript, keys.length, ...keys, ...args);
  }
}

function readReply(reply: unknown, limits: readonly Limit[]): LimitDecision | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [allowed, index, remaining, retry_after_ms, reset_ms] = reply.map(Number);
  const limit = limits[(index ?? 0) - 1];
  if (!limit || remaining === undefined || retry_after_ms === undefined || reset_ms === undefined) return undefined;
  return { allowed: allowed === 1, limit, remaining, retry_after_ms, reset_ms };
}
