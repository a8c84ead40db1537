import {
  type Block,
  type BlockList,
  type Limit,
  type LimitDecision,
  type Limiter,
  MemoryBlockList,
  type State,
} from '../../limits/index.js';
import type { PrimaryLink } from './link.js';
import type { Ask, LimiterName, ListName, WorkerStart } from './message.js';

/**
 * A worker's view of what the primary holds: limits are counted there, so that all workers together serve no more than
 * one would; blocks and revocations are answered from a copy here, which the primary keeps up to date.
 */
export function createSharedState(link: PrimaryLink, start: WorkerStart): State {
  const desk = new LimitDesk(link);
  const blocks = new SharedBlockList(link, 'blocks', start.blocks);
  const revocations = new SharedBlockList(link, 'revocations', start.revocations);
  return {
    limiter: desk.at('limiter'),
    addressLimiter: desk.at('addressLimiter'),
    blocks,
    revocations,
    status: 'memory',
    async close() {
      await blocks.close();
      await revocations.close();
    },
  };
}

/** Asks of one turn of the event loop go out as one message. */
class LimitDesk {
  readonly #link: PrimaryLink;
  readonly #waiting = new Map<number, (decision: LimitDecision) => void>();
  #asks: Ask[] = [];
  #count = 0;

  constructor(link: PrimaryLink) {
    this.#link = link;
    link.on('answers', ({ answers }) => {
      for (const { id, decision } of answers) {
        this.#waiting.get(id)?.(decision);
        this.#waiting.delete(id);
      }
    });
  }

  at(limiter: LimiterName): Limiter {
    return {
      take: (limits) => this.#ask(limiter, 'take', limits),
      peek: (limits) => this.#ask(limiter, 'peek', limits),
      close: async () => undefined,
    };
  }

  #ask(limiter: LimiterName, mode: Ask['mode'], limits: readonly Limit[]): Promise<LimitDecision> {
    const id = ++this.#count;
    if (this.#asks.length === 0) setImmediate(() => this.#send());
    this.#asks.push({ id, limiter, mode, limits });
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  #send(): void {
    this.#link.send({ kind: 'asks', asks: this.#asks });
    this.#asks = [];
  }
}

class SharedBlockList extends MemoryBlockList {
  readonly #link: PrimaryLink;
  readonly #name: ListName;

  constructor(link: PrimaryLink, name: ListName, held: readonly (readonly [string, Block])[]) {
    super();
    this.#link = link;
    this.#name = name;
    for (const [id, block] of held) this.blocks.set(id, block);
    link.on('block', (message) => {
      if (message.list === name) this.#adopt(message.id, message.block);
    });
  }

  override async block(id: string, until_ms: number, reason = 'operator'): Promise<void> {
    await super.block(id, until_ms, reason);
    this.#link.send({ kind: 'block', list: this.#name, id, block: { until_ms, reason } });
  }

  override async unblock(id: string): Promise<void> {
    await super.unblock(id);
    this.#link.send({ kind: 'block', list: this.#name, id, block: undefined });
  }

  #adopt(id: string, block: Block | undefined): void {
    if (block) this.blocks.set(id, block);
    else this.blocks.delete(id);
    this.tell();
  }
}

/** What one list has now and had before: the entries to tell others of. */
export function listChanges(
  list: BlockList,
  told: Map<string, Block>,
): readonly { readonly id: string; readonly block: Block | undefined }[] {
  const now = list.list();
  const gone = [...told.keys()].filter((id) => !now.has(id)).map((id) => ({ id, block: undefined }));
  const come = [...now]
    .filter(([id, { until_ms, reason }]) => told.get(id)?.until_ms !== until_ms || told.get(id)?.reason !== reason)
    .map(([id, block]) => ({ id, block }));
  told.clear();
  for (const [id, block] of now) told.set(id, block);
  return [...gone, ...come];
}
