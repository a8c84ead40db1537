import { afterEach, describe, expect, it } from 'vitest';
import { callJson, catchError, closeAll, createHarness, hostileServer } from '../support/mcp.js';

afterEach(closeAll);

/** A harness with one hostile server that was called once, so that it is up. */
async function startHostile(over: Parameters<ReturnType<typeof createHarness>['prepare']>[2] = {}) {
  const harness = createHarness();
  const server = hostileServer([], { KEY: 'a-secret-value' });
  const prepare = (tool: string) => harness.prepare(tool, server, over);
  const echo = prepare('echo');
  await callJson(echo, { text: 'up' });
  return { ...harness, prepare, echo };
}

describe('a hostile MCP server', () => {
  it('writes banners, half lines and a megabyte of errors, and is understood', async () => {
    const { prepare, protocol } = await startHostile();
    expect(await callJson(prepare('babble'))).toBe('still here');
    expect(protocol.health()[0]?.state).toBe('up');
  });

  it('answers ids that nobody asked for: each call gets its own answer', async () => {
    const { prepare, echo } = await startHostile();
    expect(await callJson(prepare('wrong_id'))).toBe('right');
    expect(await callJson(echo, { text: 'mine' })).toBe('mine');
  });

  it('answers more than is allowed: that call alone fails, at once, and the others go on', async () => {
    const { prepare, echo, protocol } = await startHostile({ settings: { max_response_bytes: 100_000 } });
    const [error, other] = await Promise.all([
      catchError(() => callJson(prepare('huge'))),
      callJson(echo, { text: 'ok' }),
    ]);
    expect(error).toMatchObject({ code: 'upstream_too_large', reason: 'answer_too_large' });
    expect(other).toBe('ok');
    expect(protocol.health()[0]?.state).toBe('up');
  });

  it('writes a line without an end: it is ended, and memory does not grow with the line', async () => {
    const { prepare, reports, echo } = await startHostile({ settings: { max_response_bytes: 1_000_000 } });
    const before = process.memoryUsage().rss;
    expect((await catchError(() => callJson(prepare('endless')))).code).toBe('upstream_failed');
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    expect(reports[0]).toMatchObject({ kind: 'failed', reason: 'line_too_long' });
    expect(await callJson(echo, { text: 'again' })).toBe('again');
  });

  it('floods with notifications: it is ended and reported as flooding', async () => {
    const { prepare, reports, echo } = await startHostile();
    expect((await catchError(() => callJson(prepare('flood')))).code).toBe('upstream_failed');
    expect(reports[0]).toMatchObject({ kind: 'flooding', reason: 'flooding' });
    expect(await callJson(echo, { text: 'again' })).toBe('again');
  });

  it('answers outside MCP: the call fails as an invalid answer', async () => {
    const { prepare } = await startHostile();
    expect(await catchError(() => callJson(prepare('invalid')))).toMatchObject({ code: 'upstream_invalid' });
  });

  it('asks this server for a sample: it is refused, since no capability is offered', async () => {
    const { prepare } = await startHostile();
    await callJson(prepare('ask'));
    const received = prepare('received');
    const answers = { methods: expect.arrayContaining(['answer -32601']) };
    await expect.poll(() => callJson(received)).toMatchObject(answers);
  });

  it('has no tool of that name: the call is refused before it is sent', async () => {
    const { prepare } = await startHostile();
    const error = await catchError(() => callJson(prepare('no_such_tool')));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'tool_missing' });
  });

  it('pages its list without end: it is not used', async () => {
    const harness = createHarness();
    const error = await catchError(() => callJson(harness.prepare('page_1', hostileServer(['--endless-pages']))));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'listing_unbounded' });
  });

  it('writes a secret to its standard error: no answer, report or health has it', async () => {
    const { prepare, reports, protocol } = await startHostile();
    const answer = await callJson(prepare('secret'));
    const error = await catchError(() => callJson(prepare('exit')));
    const shown = JSON.stringify([answer, error, error.message, error.details, reports, protocol.health()]);
    expect(shown).not.toContain('a-secret-value');
  });
});
