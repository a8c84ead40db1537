import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { McpPins } from '../../src/protocols/mcp-pins.js';
import { callJson, catchError, closeAll, createHarness, hostileServer } from '../support/mcp.js';
import { eventually } from '../support/processes.js';

let folder = '';
let lock = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-mcp-'));
  lock = join(folder, 'mcp.lock.json');
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true });
});

const quarantined = { code: 'upstream_unavailable', reason: 'quarantined' };

describe('a tool whose definition changes (rug pull)', () => {
  it('is quarantined once the server says that its tools have changed, and reported once', async () => {
    const { prepare, protocol, reports } = createHarness();
    const server = hostileServer();
    const [echo, json, change] = [prepare('echo', server), prepare('json', server), prepare('change', server)];
    expect(await callJson(echo, { text: 'before' })).toBe('before');
    await callJson(change);
    for (let time = 0; time < 3; time += 1) {
      expect(await catchError(() => callJson(echo, { text: 'after' }))).toMatchObject(quarantined);
    }
    expect(await callJson(json)).toBe('{"a":1}');
    expect(reports).toEqual([
      { kind: 'quarantined', upstream: 'test', tool: 'test.echo', reason: 'definition_changed' },
    ]);
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'degraded', reason: 'quarantined' }]);
  });

  it('is found by the next health check where the server keeps silent', async () => {
    const { prepare, reports } = createHarness({ health_interval_ms: 100 });
    const server = hostileServer();
    const [echo, change] = [prepare('echo', server), prepare('change_silently', server)];
    await callJson(echo, { text: 'before' });
    await callJson(change);
    await eventually(
      () => reports.length,
      (count) => count > 0,
    );
    expect(await catchError(() => callJson(echo))).toMatchObject(quarantined);
  });

  it('is served again when the server takes the change back', async () => {
    const { prepare, reports } = createHarness();
    const server = hostileServer();
    const [echo, change, restore] = ['echo', 'change', 'restore'].map((tool) => prepare(tool, server));
    if (!echo || !change || !restore) throw new Error('unreachable');
    await callJson(echo, { text: 'before' });
    await callJson(change);
    await callJson(restore);
    expect(await callJson(echo, { text: 'after' })).toBe('after');
    expect(reports.map(({ kind }) => kind)).toEqual(['quarantined', 'recovered']);
  });

  it('is quarantined at the first call when it is not what the template names', async () => {
    const { prepare } = createHarness();
    const template = { definition_digest: '0'.repeat(64) };
    const echo = prepare('echo', hostileServer(), { template });
    expect(await catchError(() => callJson(echo))).toMatchObject(quarantined);
  });

  it('is quarantined across a restart of Gatehouse where a lock file is configured', async () => {
    const first = createHarness({ lock_file: lock });
    await callJson(first.prepare('echo', hostileServer()), { text: 'first sight' });
    await first.protocol.close();
    const { tools } = JSON.parse(readFileSync(lock, 'utf8'));
    expect(tools).toMatchObject([{ manual: 'test', server: 'default', definition: { name: 'echo' } }]);

    const second = createHarness({ lock_file: lock });
    const changed = second.prepare('echo', hostileServer(['--changed']));
    expect(await catchError(() => callJson(changed))).toMatchObject(quarantined);
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toEqual({ version: 1, tools });
  });

  it('is trusted anew at each start without a lock file (fails open, docs/protocols/mcp.md)', async () => {
    const first = createHarness();
    await callJson(first.prepare('echo', hostileServer()), { text: 'one' });
    const second = createHarness();
    expect(await callJson(second.prepare('echo', hostileServer(['--changed'])), { text: 'two' })).toBe('two');
  });

  it('is pinned by manual: an approval for one is none for another', async () => {
    const pins = new McpPins(undefined);
    const definition = { name: '__proto__', inputSchema: { type: 'object' } };
    pins.write({ manual: 'books', server: 'default' }, [definition]);
    expect(pins.find({ manual: 'books', server: 'default' }, '__proto__')?.definition).toEqual(definition);
    expect(pins.find({ manual: 'shelves', server: 'default' }, '__proto__')).toBeUndefined();
    expect(pins.find({ manual: 'books', server: 'other' }, '__proto__')).toBeUndefined();
  });
});

describe('the lock file', () => {
  it.each(['not json', '{"version":2,"tools":[]}', '{"version":1,"tools":[{"manual":"books"}]}'])(
    'refuses the start when it is not one: %s',
    (text) => {
      writeFileSync(lock, text);
      expect(() => createHarness({ lock_file: lock })).toThrow(LoadError);
    },
  );

  it('keeps what another process has approved meanwhile', () => {
    const scope = { manual: 'books', server: 'default' };
    const [mine, other] = [new McpPins(lock), new McpPins(lock)];
    mine.write(scope, [{ name: 'one', inputSchema: {} }]);
    other.write(scope, [{ name: 'two', inputSchema: {} }]);
    mine.refresh();
    expect(mine.list(scope).map(({ definition }) => definition.name)).toEqual(['one', 'two']);
  });

  it('is reported, and the pins hold in memory, when it cannot be written', async () => {
    const { prepare, reports } = createHarness({ lock_file: join(folder, 'no/such/folder/mcp.lock.json') });
    const server = hostileServer();
    const [echo, change] = [prepare('echo', server), prepare('change', server)];
    expect(await callJson(echo, { text: 'served' })).toBe('served');
    await callJson(change);
    expect(await catchError(() => callJson(echo))).toMatchObject(quarantined);
    expect(reports[0]).toMatchObject({ kind: 'failed', reason: 'lock_unwritable' });
  });

  it('is not written again while nothing changes', async () => {
    const first = createHarness({ lock_file: lock, health_interval_ms: 50 });
    const echo = first.prepare('echo', hostileServer());
    await callJson(echo);
    const { mtimeMs, ino } = statSync(lock);
    for (let time = 0; time < 20; time += 1) await callJson(echo);
    expect(statSync(lock)).toMatchObject({ mtimeMs, ino });
  });
});
