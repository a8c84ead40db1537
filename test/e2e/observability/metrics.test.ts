import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { findFreePort } from '../../support/port.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const deploy = join(import.meta.dirname, '../../../deploy');
const docs = readFileSync(join(deploy, '../docs/observability.md'), 'utf8');
const tool = (name: string, url: string) => ({
  name,
  description: name,
  inputs: { type: 'object', properties: { q: { type: 'string' } } },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url },
});
let server: TestServer;
let origin: string;
beforeAll(async () => {
  origin = `http://127.0.0.1:${await findFreePort()}`;
  server = await startServer({
    config: {
      manuals: [
        {
          name: 'm',
          source: 'm.yaml',
          allow_private_hosts: ['127.0.0.1'],
          max_retries: 0,
          tools: { trap: { honeypot: true } },
        },
      ],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice-key') } }],
      limits: {
        per_caller: {},
        per_tool: { 'm.few': { per_minute: 1 } },
        circuit_breaker: { minimum_calls: 2, cool_down_ms: 600_000 },
      },
    },
    files: {
      'm.yaml': { utcp_version: '1.1.0', tools: ['one', 'few', 'trap'].map((name) => tool(name, `${origin}/${name}`)) },
    },
  });
});
afterAll(() => server.close());

const call = (name: string, key = 'alice-key') =>
  fetch(`${server.url}/tools/m/${name}`, { method: 'POST', headers: bearer(key) });
const scrape = async () => (await fetch(`${server.server.admin_url}/metrics`)).text();
/** The value of one series; undefined where there is none. */
async function read(series: string): Promise<number | undefined> {
  const line = (await scrape()).split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
const expectValue = (series: string, value: number) => expect.poll(() => read(series)).toBe(value);

describe('the metrics', () => {
  it('count requests by route and outcome, with their time', async () => {
    await startUpstream((_request, response) => sendJson(response, {}), undefined, Number(new URL(origin).port));
    expect((await call('one')).status).toBe(200);
    await fetch(`${server.url}/utcp`, { headers: bearer('alice-key') });
    await fetch(`${server.url}/utcp/m`, { headers: bearer('alice-key') });
    await expectValue('gatehouse_requests_total{route="/tools/:manual/:tool",outcome="ok"}', 1);
    await expectValue('gatehouse_requests_total{route="/utcp",outcome="ok"}', 1);
    await expectValue('gatehouse_requests_total{route="/utcp/:manual",outcome="ok"}', 1);
    expect(await read('gatehouse_request_duration_seconds_count{route="/utcp"}')).toBe(1);
  });

  it('count calls to upstreams with their time, and say which are up', async () => {
    const { host } = new URL(origin);
    await expectValue(`gatehouse_upstream_calls_total{upstream="${host}",outcome="ok"}`, 1);
    expect(await read(`gatehouse_upstream_duration_seconds_count{upstream="${host}"}`)).toBe(1);
    expect(await read(`gatehouse_upstream_up{upstream="${host}"}`)).toBe(1);
    expect(await read(`gatehouse_upstream_breaker_state{upstream="${host}"}`)).toBe(0);
    // The upstream of the first test has ended with it.
    for (let turn = 0; turn < 3; turn++) await call('one');
    await expectValue(`gatehouse_upstream_breaker_state{upstream="${host}"}`, 2);
    expect(await read(`gatehouse_upstream_up{upstream="${host}"}`)).toBe(0);
    expect(await read(`gatehouse_upstream_calls_total{upstream="${host}",outcome="upstream_failed"}`)).toBe(1);
    await expectValue('gatehouse_limit_rejections_total{limit="breaker_open"}', 2);
  });

  it('count what limits refuse, by limit', async () => {
    await call('few');
    expect((await call('few')).status).toBe(429);
    await expectValue('gatehouse_limit_rejections_total{limit="tool_per_minute"}', 1);
  });

  it('count what caches answer', async () => {
    const before = (await read('gatehouse_credential_cache_total{result="hit"}')) ?? 0;
    expect(await read('gatehouse_credential_cache_total{result="miss"}')).toBe(1);
    const built = await read('gatehouse_manual_cache_total{result="miss"}');
    const known = (await read('gatehouse_manual_cache_total{result="hit"}')) ?? 0;
    await fetch(`${server.url}/utcp`, { headers: bearer('alice-key') });
    await expectValue('gatehouse_credential_cache_total{result="hit"}', before + 1);
    expect(await read('gatehouse_manual_cache_total{result="miss"}')).toBe(built);
    expect(await read('gatehouse_manual_cache_total{result="hit"}')).toBe(known + 1);
  });

  it('count security events and anomalies', async () => {
    await call('one', 'no such key');
    await call('trap');
    await expectValue('gatehouse_security_events_total{event="auth.failure",outcome="denied"}', 1);
    await expectValue('gatehouse_anomalies_total{kind="honeypot"}', 1);
    expect(await read('gatehouse_security_events_total{event="config.loaded",outcome="success"}')).toBe(1);
  });

  it('show the process: the event loop, its memory, what it is told', async () => {
    const text = await scrape();
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    expect(text).toMatch(/^gatehouse_event_loop_delay_seconds \d/m);
    const [draining, degraded, failing] = ['draining', 'state_degraded', 'security_log_failing'];
    for (const name of [draining, degraded, failing]) expect(await read(`gatehouse_${name}`)).toBe(0);
    expect(await read('gatehouse_tools')).toBe(3);
  });

  it('have no more series for what a sender makes up', async () => {
    // Node's own come when it first collects in some way, whoever sends what.
    const count = async () => (await scrape()).split('\n').filter((line) => line.startsWith('gatehouse_')).length;
    await call('made-up');
    await call('one', 'made-up-key');
    await fetch(`${server.url}/utcp/made-up`, { headers: bearer('alice-key') });
    await fetch(`${server.url}/made-up`);
    await expect.poll(() => read('gatehouse_requests_total{route="other",outcome="not_found"}')).toBeGreaterThan(0);
    const before = await count();
    for (let turn = 0; turn < 50; turn++) {
      await call(`made-up-${turn}`);
      await call('one', `made-up-key-${turn}`);
      await fetch(`${server.url}/utcp/made-up-${turn}`, { headers: bearer('alice-key') });
      await fetch(`${server.url}/made-up/${turn}?made-up=${turn}`, { method: turn % 2 ? 'PUT' : 'GET' });
    }
    // Findings of the detector are a closed set too, but some may come with the first of these.
    expect((await count()) - before).toBeLessThan(12);
    expect(await scrape()).not.toContain('made-up');
  });
});

/** Names of metrics in a PromQL expression. */
const namesIn = (text: string) => [...text.matchAll(/\b(?:gatehouse|nodejs|process)_\w+/g)].map(([name]) => name);

describe('the dashboard, the alerts and the page', () => {
  const dashboard: { panels: { targets?: { expr: string }[]; title: string }[] } = JSON.parse(
    readFileSync(join(deploy, 'grafana/gatehouse.json'), 'utf8'),
  );
  const rules: { groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[] } = parse(
    readFileSync(join(deploy, 'prometheus/alerts.yaml'), 'utf8'),
  );
  const panels = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const alerts = rules.groups.flatMap((group) => group.rules);
  const ownNames = async () =>
    [...(await scrape()).matchAll(/^# TYPE (gatehouse_\w+) (\w+)$/gm)].map(([, name]) => name);

  /** What the primary of several workers adds to theirs. */
  const primary = readFileSync(join(deploy, '../src/server/workers/primary.ts'), 'utf8');
  const ofWorkers = [...primary.matchAll(/# TYPE (gatehouse_worker\w+) /g)].map(([, name = '']) => name);

  it('name only metrics that are there', async () => {
    const text = await scrape();
    expect(ofWorkers).toHaveLength(2);
    const known = new Set([...text.matchAll(/^(\w+)[ {]/gm)].map(([, name]) => name));
    const declared = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
    const used = [...panels, ...alerts.map(({ expr }) => expr)].flatMap(namesIn);
    expect(used.length).toBeGreaterThan(40);
    expect(used.filter((name) => ![...known, ...declared, ...ofWorkers].includes(name))).toEqual([]);
  });

  it('show every metric of Gatehouse on the dashboard, and explain each on the page', async () => {
    const names = [...(await ownNames()), ...ofWorkers];
    expect(names.length).toBeGreaterThan(20);
    const shown = panels.flatMap(namesIn).map((name) => name.replace(/_bucket$/, ''));
    expect(names.filter((name) => !shown.includes(name ?? ''))).toEqual([]);
    expect(names.filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
  });

  it('use labels and values that the metrics have', async () => {
    const labels: Record<string, readonly string[]> = {
      gatehouse_requests_total: ['route', 'outcome'],
      gatehouse_request_duration_seconds_bucket: ['route', 'le'],
      gatehouse_limit_rejections_total: ['limit'],
      gatehouse_upstream_up: ['upstream'],
      gatehouse_upstream_breaker_state: ['upstream'],
      gatehouse_upstream_calls_total: ['upstream', 'outcome'],
      gatehouse_upstream_duration_seconds_bucket: ['upstream', 'le'],
      gatehouse_credential_cache_total: ['result'],
      gatehouse_manual_cache_total: ['result'],
      gatehouse_security_events_total: ['event', 'outcome'],
      gatehouse_anomalies_total: ['kind'],
    };
    const text = await scrape();
    for (const [name, expected] of Object.entries(labels)) {
      const [, series = ''] = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(text) ?? [];
      expect([name, [...series.matchAll(/(\w+)="/g)].map(([, label]) => label).sort()]).toEqual([
        name,
        [...expected].sort(),
      ]);
    }
    const everywhere = ['instance', 'job'];
    for (const expr of [...panels, ...alerts.map(({ expr }) => expr)]) {
      for (const [, name = '', matchers = ''] of expr.matchAll(/\b(gatehouse_\w+)\{([^}]*)\}/g)) {
        const used = [...matchers.matchAll(/(\w+)(?:=~|!=|=)/g)].map(([, label = '']) => label);
        const allowed = [...everywhere, ...(labels[name] ?? [])];
        expect([expr, used.filter((label) => !allowed.includes(label))]).toEqual([expr, []]);
      }
    }
  });

  it('say of every alert what to do', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(alerts.filter(({ alert }) => !docs.includes(`\`${alert}\``)).map(({ alert }) => alert)).toEqual([]);
    expect(alerts.filter(({ annotations }) => !annotations.summary).map(({ alert }) => alert)).toEqual([]);
  });
});
