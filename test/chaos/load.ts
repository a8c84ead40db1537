import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { bearer } from '../support/server.js';
import type { Entry, Permission } from './ledger.js';

/** One caller asking for one thing; without a tool it asks for its manual. */
interface Asking {
  readonly caller: string;
  readonly tool: string;
  readonly permission: Permission;
}

/** What a limit made of many calls. */
export interface Metered {
  /** Not refused for the limit, whatever became of them. */
  readonly admitted: number;
  /** Given no answer, so that nobody here knows. */
  readonly unanswered: number;
}

const askings: readonly Asking[] = [
  { caller: 'reader', tool: 'shop.item', permission: 'callable' },
  { caller: 'reader', tool: 'shop.write', permission: 'visible' },
  { caller: 'writer', tool: 'shop.write', permission: 'callable' },
  { caller: 'reader', tool: 'shop.drop', permission: 'hidden' },
  { caller: 'admin', tool: 'shop.elsewhere', permission: 'callable' },
  { caller: 'shifting', tool: 'shop.item', permission: 'callable' },
  { caller: 'nobody', tool: 'shop.item', permission: 'stranger' },
  { caller: 'admin', tool: 'shop.drop', permission: 'callable' },
  { caller: 'writer', tool: 'shop.drop', permission: 'hidden' },
  { caller: 'reader', tool: 'manual', permission: 'callable' },
  { caller: 'filed', tool: 'shop.item', permission: 'callable' },
  { caller: 'admin', tool: 'shop.elsewhere', permission: 'callable' },
  { caller: 'admin', tool: 'shop.none', permission: 'hidden' },
];

/** Of the callers together. */
export const maxInFlight = 64;

/** Callers with different permissions, and the ledger of all that they asked and were told. */
export class ChaosLoad {
  readonly entries: Entry[] = [];
  /** What `shifting` may do with `shop.item` now, as far as anybody can know. */
  shifting: ReadonlySet<Permission> = new Set(['callable']);
  readonly #agent: Agent;
  readonly #running = new Set<Promise<void>>();
  #stop: (() => Promise<void>) | undefined;

  /** `ca`: the authority of the gateway's certificate, in PEM. `rate`: requests a second. */
  constructor(
    readonly url: string,
    ca: string,
    readonly rate: number,
  ) {
    this.#agent = new Agent({ connections: maxInFlight, connect: { ca } });
  }

  /** Begins to ask, round and round, at the rate. */
  start(): void {
    let stopped = false;
    const run = async () => {
      const start = performance.now();
      for (let turn = 0; !stopped; turn++) {
        await sleep(Math.max(0, start + (turn * 1000) / this.rate - performance.now()));
        if (this.#running.size >= maxInFlight) await Promise.race(this.#running);
        const asking = askings[turn % askings.length];
        if (asking && !stopped) this.#launch(asking);
      }
    };
    const running = run();
    this.#stop = async () => {
      stopped = true;
      await running;
    };
  }

  /** Stops, and waits until all is answered. */
  async stop(): Promise<void> {
    await this.#stop?.();
    await Promise.all(this.#running);
  }

  /** Asks for a limited tool so often, eight at a time. */
  async meter(caller: string, calls: number): Promise<Metered> {
    let left = calls;
    const metered = { admitted: 0, unanswered: 0 };
    const work = async () => {
      while (left-- > 0) {
        const entry = await this.#ask({ caller, tool: 'shop.metered', permission: 'callable' });
        if (entry.request_id === undefined) metered.unanswered++;
        else if (entry.status !== 429) metered.admitted++;
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    return metered;
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  #launch(asking: Asking): void {
    const running = this.#ask(asking).then(() => {
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  async #ask({ caller, tool, permission }: Asking): Promise<Entry> {
    const permissions = () => (caller === 'shifting' ? this.shifting : new Set([permission]));
    const entry: Entry = {
      id: `r${this.entries.length}`,
      caller,
      tool,
      permissions: permissions(),
      sent_ms: Date.now(),
      done_ms: Number.POSITIVE_INFINITY,
      status: undefined,
      request_id: undefined,
      replica: undefined,
    };
    this.entries.push(entry);
    const path = tool === 'manual' ? '/utcp' : `/tools/${tool.replace('.', '/')}?id=${entry.id}`;
    const isPost = tool === 'shop.write' || tool === 'shop.drop';
    try {
      const { statusCode, headers, body } = await request(`${this.url}${isPost ? path.split('?')[0] : path}`, {
        method: isPost ? 'POST' : 'GET',
        headers: { ...bearer(`${caller}-key`), ...(isPost && { 'content-type': 'application/json' }) },
        body: isPost ? JSON.stringify({ id: entry.id }) : null,
        dispatcher: this.#agent,
      });
      await body.dump({ limit: 1_000_000 });
      entry.status = statusCode;
      const id = headers['x-request-id'];
      entry.request_id = typeof id === 'string' ? id : undefined;
      entry.replica =
        Number(
          String(headers['x-served-by'] ?? '')
            .split(':')
            .at(-1),
        ) || undefined;
    } catch {
      // A connection that broke: nothing was answered, and the ledger says so.
    }
    entry.done_ms = Date.now();
    entry.permissions = new Set([...entry.permissions, ...permissions()]);
    return entry;
  }
}
