import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { useScratch } from '../support/scratch.js';
import { type Entry, findInvented, type Kill, reconcile } from './ledger.js';

const scratch = useScratch();
const answered = (over: Partial<Entry> = {}): Entry => ({
  id: 'r1',
  caller: 'reader',
  tool: 'shop.item',
  permissions: new Set(['callable']),
  sent_ms: 1000,
  done_ms: 1010,
  status: 200,
  request_id: 'q1',
  replica: 1,
  ...over,
});
const called = { event: 'tool.call', outcome: 'success', caller: 'reader', tool: 'shop.item', request_id: 'q1' };

function judge(entry: Entry, events: readonly object[], more: { seen?: string; kill?: Kill } = {}) {
  const log = scratch('security.log');
  writeFileSync(log, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const seen = new Map(more.seen === undefined ? [] : [[more.seen, 1]]);
  const found = reconcile([entry], [log], seen, more.kill ? [more.kill] : [], 100);
  return { ...found, invented: findInvented([entry], [log]) };
}

describe('the ledger', () => {
  it('says nothing of an answer that has its one event', () => {
    const found = judge(answered(), [called, { ...called, event: 'auth.success' }], { seen: 'r1' });
    expect(found).toEqual({ lost: [], killed: [], wrong_events: [], wrong_allows: [], invented: [] });
  });

  it('finds an event that is missing, twice there, of another outcome, caller or tool', () => {
    expect(judge(answered(), []).lost).toHaveLength(1);
    expect(judge(answered(), [called, called]).wrong_events).toHaveLength(1);
    for (const other of [
      { outcome: 'failure' },
      { caller: 'writer' },
      { tool: 'shop.drop' },
      { event: 'tool.denied' },
    ]) {
      expect(judge(answered(), [{ ...called, ...other }]).wrong_events).toHaveLength(1);
    }
  });

  it('finds a call that reached its upstream and was neither answered nor recorded', () => {
    const cut = answered({ status: undefined, request_id: undefined, replica: undefined });
    expect(judge(cut, [], { seen: 'r1' }).lost).toHaveLength(1);
    expect(judge(cut, [{ ...called, arguments: { id: 'r1' } }], { seen: 'r1' }).lost).toEqual([]);
  });

  it('finds an answer, and a call at the upstream, that the permission does not cover', () => {
    for (const permission of ['visible', 'hidden', 'stranger'] as const) {
      const permissions = new Set([permission]);
      expect(judge(answered({ permissions }), [called]).wrong_allows).not.toEqual([]);
      const unanswered = answered({ permissions, status: undefined, request_id: undefined });
      expect(judge(unanswered, [], { seen: 'r1' }).wrong_allows).not.toEqual([]);
    }
    expect(judge(answered({ permissions: new Set(['hidden']), status: 403 }), []).wrong_allows).toHaveLength(1);
  });

  it('excuses what a killed replica answered within its flush interval, and nothing else', () => {
    const kill = { replica: 1, at_ms: 1100 };
    expect(judge(answered(), [], { kill })).toMatchObject({ lost: [], killed: [{ before_kill_ms: 90 }] });
    expect(judge(answered({ done_ms: 990 }), [], { kill }).lost).toHaveLength(1);
    expect(judge(answered({ replica: 2 }), [], { kill }).lost).toHaveLength(1);
    expect(judge(answered({ sent_ms: 1101 }), [], { kill }).lost).toHaveLength(1);
  });

  it('finds an event of a request that nobody made', () => {
    expect(judge(answered(), [called, { ...called, request_id: 'q2' }]).invented).toHaveLength(1);
  });
});
