import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SecurityEvent } from '../../src/events/event.js';
import { renderEvent } from '../../src/events/line.js';

const time = '2026-01-02T03:04:05.678Z';
const render = (event: SecurityEvent) => `${renderEvent(event, time)}}`;

describe('an event as a line', () => {
  it('writes the contract’s fields in the contract’s order, then the event’s own', () => {
    const line = render({
      event: 'tool.call',
      outcome: 'success',
      status: 200,
      policy_digest: 'p',
      manual_digest: 'm',
      duration_ms: 1.23456,
      reason: 'ok',
      request_id: 'r',
      address: '203.0.113.9',
      tool: 'books.get',
      caller: 'alice',
      arguments: { id: 7 },
    });
    expect(line).toBe(
      `{"time":"${time}","event":"tool.call","outcome":"success","caller":"alice","tool":"books.get",` +
        '"address":"203.0.113.9","request_id":"r","reason":"ok","duration_ms":1.235,"manual_digest":"m",' +
        '"policy_digest":"p","status":200,"arguments":{"id":7}}',
    );
  });

  it('leaves out what an event does not have', () => {
    expect(render({ event: 'auth.failure', outcome: 'failure' })).toBe(
      `{"time":"${time}","event":"auth.failure","outcome":"failure"}`,
    );
  });

  it('writes no field that its event does not name, so a credential that strays into an event stays unwritten', () => {
    const stray = { event: 'auth.failure', outcome: 'failure', token: 'sk-canary', authorization: 'canary' } as const;
    expect(render(stray)).not.toContain('canary');
  });

  it.each([
    ['a line feed', 'a\n{"event":"auth.success"}'],
    ['a carriage return', 'a\rb'],
    ['a line separator', 'a\u2028b\u2029c'],
    ['a next line control', 'a\u0085b'],
    ['a terminal escape', '\u001b[2J\u009b31m'],
    ['a bidirectional override', 'user\u202egpj.exe'],
    ['a null', 'a\u0000b'],
    ['a lone surrogate', 'a\ud800b'],
    ['a quotation mark and a backslash', '","event":"x","a":"\\'],
    ['text beyond ASCII', 'Zoë 東京 😀'],
  ])('keeps %s inside its field, in printable ASCII', (_name, text) => {
    const line = render({ event: 'auth.failure', outcome: 'failure', caller: text });
    expect(line).toMatch(/^[ -~]+$/);
    expect(JSON.parse(line)).toEqual({ time, event: 'auth.failure', outcome: 'failure', caller: text });
  });

  it('stays one line of valid JSON whatever stands in any field', () => {
    const text = fc.string({ unit: 'binary', maxLength: 50 });
    const nasty = fc.oneof(text, fc.constantFrom('\n', '\u2028', '\ud800', '"}\n{"', '__proto__'));
    fc.assert(
      fc.property(nasty, nasty, nasty, fc.jsonValue(), (caller, tool, reason, argument) => {
        const line = render({
          event: 'tool.call',
          outcome: 'failure',
          caller,
          tool,
          address: tool,
          request_id: reason,
          reason,
          status: 500,
          arguments: { [caller]: fromJson(argument) },
        });
        expect(line).toMatch(/^\{[ -~]+\}$/);
        expect(JSON.parse(line)).toMatchObject({ caller, tool, reason, event: 'tool.call' });
      }),
    );
  });

  it('cuts a huge string and says so', () => {
    const { caller } = JSON.parse(render({ event: 'auth.failure', outcome: 'failure', caller: 'x'.repeat(1_000_000) }));
    expect(caller).toBe(`${'x'.repeat(1024)}[cut from 1000000]`);
  });

  it('bounds what the free-form part can add, however wide, deep or long it is', () => {
    let deep: SecurityEvent & { event: 'anomaly.detected' } = {
      event: 'anomaly.detected',
      outcome: 'success',
      severity: 'warning',
      evidence: {},
    };
    for (let depth = 0; depth < 5000; depth++) deep = { ...deep, evidence: { again: deep.evidence } };
    expect(render(deep).length).toBeLessThan(500);
    const wide = Array.from({ length: 100_000 }, (_, index) => `/items/${index}`);
    expect(render({ event: 'input.rejected', outcome: 'failure', pointers: wide }).length).toBeLessThan(10_000);
    const long = Object.fromEntries(wide.slice(0, 50).map((name) => [name, 'y'.repeat(1000)]));
    const cut = render({ event: 'tool.call', outcome: 'success', status: 200, arguments: long });
    expect(JSON.parse(cut).arguments).toMatch(/^\[cut from \d+\]$/);
  });

  it('writes a number that JSON has no form for as null', () => {
    expect(JSON.parse(render({ event: 'log.lost', outcome: 'failure', lost: Number.NaN })).lost).toBeNull();
  });
});

/** The property's values as plain JSON, without fast-check's prototypes. */
function fromJson(value: unknown) {
  return JSON.parse(JSON.stringify(value));
}
