/**
 * What caps and load shedding do to the latency of what is served: `node bench/overload.js [CONNECTIONS] [SECONDS]`,
 * after `npm run build`. Connections of 50 callers call a tool again as soon as they are answered; one that is refused
 * waits as Retry-After says. Prints what docs/observability.md quotes.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [connections = 2000, seconds = 6] = process.argv.slice(2).map(Number);
const warmUp_ms = 3000;
const callers = 50;
const main = join(import.meta.dirname, '../dist/cli/main.js');

if (process.argv[2] === 'upstream') await serveUpstream();
else {
  for (const isGuarded of [false, true]) console.log(await measure(isGuarded));
  process.exit(0);
}

/** The upstream runs as a process of its own. */
async function serveUpstream() {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send({ port: server.address().port });
}

async function measure(isGuarded) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-overload-'));
  const upstream = fork(import.meta.filename, ['upstream']);
  const [{ port: upstreamPort }] = await once(upstream, 'message');
  writeConfig(folder, upstreamPort, isGuarded);
  const server = fork(main, ['serve', '--config', join(folder, 'gatehouse.yaml')], { silent: true });
  const [first] = await once(server.stdout, 'data');
  const port = Number(new URL(JSON.parse(String(first).split('\n')[0]).url).port);
  const results = { ok: [], refused: [], since: Number.POSITIVE_INFINITY, running: true };
  const clients = [];
  for (let index = 0; index < connections; index++) {
    clients.push(callAgainAndAgain(port, `key-${index % callers}`, results));
    if (index % 50 === 49) await sleep(50);
  }
  await sleep(warmUp_ms);
  results.since = performance.now();
  await sleep(seconds * 1000);
  results.running = false;
  for (const client of clients) client.destroy();
  server.kill();
  upstream.kill();
  rmSync(folder, { recursive: true });
  return `${isGuarded ? 'as it comes' : 'without caps and shedding'}: served ${describe(results.ok)}; refused ${describe(results.refused)}`;
}

function writeConfig(folder, upstreamPort, isGuarded) {
  const most = 1_000_000;
  const unguarded = { per_caller: most, per_caller_and_upstream: most, per_tool: most, per_upstream: most };
  const config = {
    server: {
      port: 0,
      admin: { port: 0 },
      ...(!isGuarded && { load_shedding: { max_event_loop_delay_ms: 0, max_heap_ratio: 0 } }),
    },
    manuals: [{ name: 'm', source: 'm.json', allow_private_hosts: ['127.0.0.1'] }],
    policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
    callers: Array.from({ length: callers }, (_, index) => ({
      id: `caller-${index}`,
      roles: ['user'],
      api_keys: { current: { sha256: createHash('sha256').update(`key-${index}`).digest('hex') } },
    })),
    limits: { per_caller: {}, ...(!isGuarded && { concurrency: unguarded }) },
    security_log: { file: './security.log' },
  };
  const template = { call_template_type: 'http', http_method: 'POST', url: `http://127.0.0.1:${upstreamPort}/` };
  const tool = { name: 'one', description: 'one', inputs: { type: 'object' }, tool_call_template: template };
  writeFileSync(join(folder, 'gatehouse.yaml'), JSON.stringify(config));
  writeFileSync(join(folder, 'm.json'), JSON.stringify({ utcp_version: '1.1.0', tools: [tool] }));
}

function callAgainAndAgain(port, key, results) {
  const head = `POST /tools/m/one HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nContent-Length: 2\r\n\r\n`;
  const request = `${head}{}`;
  const socket = connect(port, '127.0.0.1');
  let begun = 0;
  const send = () => {
    if (!results.running) return;
    begun = performance.now();
    socket.write(request);
  };
  socket.on('connect', send).on('error', () => undefined);
  socket.on('data', (data) => {
    const isOk = data.toString('latin1', 9, 12) === '200';
    // What was begun before waited for the start of it all.
    if (begun > results.since && results.running) (isOk ? results.ok : results.refused).push(performance.now() - begun);
    if (isOk) send();
    else setTimeout(send, 1000 + Math.random() * 500);
  });
  return socket;
}

function describe(times) {
  times.sort((a, b) => a - b);
  const at = (share) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  return `${Math.round(times.length / seconds)}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
