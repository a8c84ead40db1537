import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { anomaliesSchema } from '../../src/limits/anomaly-config.js';
import { createAnomalyWatch } from '../../src/limits/anomaly-watch.js';
import { createMemoryBlockList } from '../../src/limits/blocks.js';
import { Webhook } from '../../src/limits/webhook.js';

interface Received {
  readonly body: string;
  readonly id: string;
  readonly signature: string;
}

/** A receiver that answers the given statuses in turn, then 204. */
async function openReceiver(...statuses: number[]) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const header = (name: string) => String(request.headers[name]);
    received.push({ body, id: header('x-gatehouse-id'), signature: header('x-gatehouse-signature') });
    const status = statuses.shift() ?? 204;
    if (status === 0) request.socket.destroy();
    else response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { received, url: `http://127.0.0.1:${port}/hook` };
}

function openWebhook(url: string, settings: Record<string, unknown> = {}) {
  const problems: string[] = [];
  const config = anomaliesSchema.parse({ webhook: { url, secret_variable: 'UTCP_HOOK', ...settings } }).webhook;
  if (!config) throw new Error('no webhook');
  const report = (problem: string) => problems.push(problem);
  const webhook = new Webhook({ config, secret: 'hook-secret', report, first_wait_ms: 5 });
  onTestFinished(() => webhook.close());
  return { webhook, problems };
}

describe('the anomaly webhook', () => {
  it('sends each message once, in order, signed over time and body', async () => {
    const { received, url } = await openReceiver();
    const { webhook, problems } = openWebhook(url);
    for (let number = 0; number < 5; number++) webhook.send({ number });
    await webhook.close();
    expect(received.map(({ body }) => JSON.parse(body).number)).toEqual([0, 1, 2, 3, 4]);
    for (const { body, signature } of received) {
      const [, seconds, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
      expect(digest).toBe(createHmac('sha256', 'hook-secret').update(`${seconds}.${body}`).digest('hex'));
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);
    }
    expect(problems).toEqual([]);
  });

  it('tries again under the same id when the receiver fails or is away', async () => {
    const { received, url } = await openReceiver(500, 0, 429);
    const { webhook } = openWebhook(url);
    webhook.send({ number: 1 });
    await expect.poll(() => received.length).toBe(4);
    expect(new Set(received.map(({ id }) => id)).size).toBe(1);
  });

  it('gives a message up after its tries, says so without the URL, and goes on with the next', async () => {
    const { received, url } = await openReceiver(500, 500, 500);
    const { webhook, problems } = openWebhook(url, { max_tries: 3 });
    webhook.send({ number: 1 });
    webhook.send({ number: 2 });
    await expect.poll(() => received.length).toBe(4);
    expect(problems).toEqual(['A message to the anomaly webhook was given up.']);
    expect(received.at(-1)?.body).toBe('{"number":2}');
  });

  it.each([400, 404, 410])('takes %i for a final answer', async (status) => {
    const { received, url } = await openReceiver(status);
    const { webhook, problems } = openWebhook(url);
    webhook.send({});
    await expect.poll(() => problems).toHaveLength(1);
    expect(received).toHaveLength(1);
  });

  it('does not follow a redirect', async () => {
    const { received, url } = await openReceiver(302, 302);
    const { webhook, problems } = openWebhook(url, { max_tries: 2 });
    webhook.send({});
    await expect.poll(() => problems).toHaveLength(1);
    expect(received).toHaveLength(2);
  });

  it('holds no more messages than it may', async () => {
    const { webhook, problems } = openWebhook('http://127.0.0.1:9/', { max_queue: 3, timeout_ms: 100 });
    for (let number = 0; number < 10; number++) webhook.send({ number });
    expect(problems.filter((problem) => problem.includes('too many'))).toHaveLength(7);
    await webhook.close();
  });

  it('closes within its timeout though the receiver never answers', async () => {
    const { url } = await openReceiver(...Array.from({ length: 100 }, () => 500));
    const { webhook } = openWebhook(url, { timeout_ms: 200, max_tries: 20 });
    webhook.send({});
    await sleep(20);
    const start = performance.now();
    await webhook.close();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('what is done about a finding', () => {
  const probe = (caller: string | undefined, step: number) => ({
    at_ms: 1_700_000_000_000 + step,
    caller,
    credential: undefined,
    address: '203.0.113.9',
    tool: undefined,
    unknown_tool: undefined,
    refused: true,
    request_bytes: 0,
    response_bytes: 0,
  });

  async function watch(settings: Record<string, unknown>, caller: string | undefined) {
    const { received, url } = await openReceiver();
    const blocks = createMemoryBlockList();
    const told: unknown[] = [];
    const config = anomaliesSchema.parse({ webhook: { url, secret_variable: 'X' }, ...settings });
    const opened = createAnomalyWatch({
      config,
      blocks,
      webhook_secret: 'hook-secret',
      onFinding: ({ kind }) => told.push(kind),
      report: (problem) => told.push(problem),
    });
    for (let step = 0; step < 40; step++) opened.observe(probe(caller, step));
    await opened.close();
    return { received, blocks, told };
  }

  it('is the event alone unless the configuration says more', async () => {
    const { received, blocks, told } = await watch({}, 'mallory');
    expect(told).toEqual(['refusal_burst']);
    expect([received.length, blocks.list().size]).toEqual([0, 0]);
  });

  it('is a signed message and a block for a time when it does', async () => {
    const { received, blocks, told } = await watch(
      { actions: { refusal_burst: ['webhook', 'block'] }, block_ms: 60_000 },
      'mallory',
    );
    expect(told).toEqual(['refusal_burst']);
    const at_ms = 1_700_000_000_000;
    expect([blocks.isBlocked('mallory', at_ms + 60_000), blocks.isBlocked('mallory', at_ms + 61_000)]).toEqual([
      true,
      false,
    ]);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      event: 'anomaly.detected',
      reason: 'refusal_burst',
      caller: 'mallory',
      evidence: { within_s: 60 },
    });
  });

  it('blocks nobody for what an address does that no caller is known for', async () => {
    const { blocks, told } = await watch({ actions: { refusal_burst: ['block'] } }, undefined);
    expect(told).toEqual(['refusal_burst']);
    expect(blocks.list().size).toBe(0);
  });
});
