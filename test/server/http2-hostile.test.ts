import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { buildSources } from '../support/build.js';
import { issueCertificate, makeAuthority } from '../support/certificates.js';
import {
  dataFrame,
  goawayFrame,
  preface,
  requestFrame,
  resetFrame,
  streamsOf,
  windowFrame,
} from '../support/frames.js';
import { Replica } from '../support/replica.js';
import { useSharedScratch } from '../support/scratch.js';
import { portOf } from '../support/websocket-upstream.js';

const scratch = useSharedScratch();
let build: string;
let replica: Replica;
beforeAll(async () => {
  build = buildSources();
  const config = scratch('gatehouse.yaml');
  writeFileSync(config, stringify({ server: { port: 0, admin: { port: 0 }, http2: true } }));
  // The C library then notices damage to its heap within a few connections instead of a few hundred.
  const environment = { GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0' };
  replica = new Replica({ build, config, environment });
  await replica.start();
});
afterAll(() => replica?.stop());

const isAnswered = (received: Buffer) =>
  (['headers', 'reset', 'goaway'] as const).some((type) => streamsOf(type, received).length > 0);

/** Sends frames in one packet on a connection of their own; gives what came back by the time that there is enough. */
async function send(frames: readonly Buffer[], isEnough = isAnswered): Promise<Buffer> {
  const socket = connect(replica.port, '127.0.0.1').on('error', () => undefined);
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  await once(socket, 'connect');
  socket.write(preface);
  await once(socket, 'data');
  socket.write(Buffer.concat(frames));
  for (let waits = 0; waits < 1000 && !socket.closed && !isEnough(received); waits++) await sleep(5);
  socket.destroy();
  return received;
}

const get = { ':path': '/livez' };
const post = { ':path': '/tools/feed/create_item', 'content-type': 'application/json' };
const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, '1']));
const cancel = 8;
const protocolError = 1;

it.each([
  ['before and after', [requestFrame(1, get), goawayFrame(0), requestFrame(3, get)]],
  ['after', [goawayFrame(0), requestFrame(1, get), requestFrame(3, get)]],
])('requests in one packet with a GOAWAY, %s it, are answered, and the connection ends', async (_case, frames) => {
  const received = await send(frames, () => false);
  expect(streamsOf('headers', received)).toEqual([1, 3]);
});

it.each([
  ['says goodbye and asks again', [requestFrame(1, get), goawayFrame(0), requestFrame(3, get)]],
  [
    'says goodbye in the middle of a body',
    [requestFrame(1, post, true), goawayFrame(0), requestFrame(3, get), dataFrame(1, 'x')],
  ],
  ['says goodbye and sends too many headers', [goawayFrame(0), requestFrame(1, { ...get, ...many })]],
  ['gives up in the middle of bodies', [requestFrame(1, post, true), goawayFrame(protocolError), dataFrame(1, 'x')]],
  ['overflows the window of a stream', [requestFrame(1, post, true), windowFrame(1, 2 ** 31 - 1), dataFrame(1, 'x')]],
  ['overflows the window of all', [requestFrame(1, get), windowFrame(0, 2 ** 31 - 1), requestFrame(3, get)]],
  [
    'takes a request back and goes on with it',
    [requestFrame(1, post, true), resetFrame(1, cancel), dataFrame(1, 'x'), requestFrame(3, get)],
  ],
  ['begins a request twice', [requestFrame(1, post, true), requestFrame(1, post), dataFrame(1, 'x')]],
])('a client that %s ends its own connection and not the server', async (_case, frames) => {
  for (let connections = 0; connections < 40; connections++) await send(frames);
  const response = await fetch(`${replica.url}/livez`);
  expect([response.status, replica.child.exitCode, replica.child.signalCode]).toEqual([200, null, null]);
});

it('a TLS handshake has as long as headers have, and ends nothing when its client finishes it later', async () => {
  const { cert, key } = await issueCertificate(await makeAuthority(), ['127.0.0.1']);
  writeFileSync(scratch('tls.crt'), cert);
  writeFileSync(scratch('tls.key'), key);
  const tls = { cert_file: './tls.crt', key_file: './tls.key' };
  const server = { port: 0, admin: { port: 0 }, http2: true, tls, headers_timeout_ms: 300 };
  writeFileSync(scratch('tls.yaml'), stringify({ server }));
  const secure = new Replica({ build, config: scratch('tls.yaml') });
  onTestFinished(async () => void (await secure.stop()));
  await secure.start();
  // What the server sends is held back until it should have no more patience.
  const hold_ms = 5000;
  const relay = createServer((client) => {
    const held: Buffer[] = [];
    const upstream = connect(secure.port, '127.0.0.1').on('data', (chunk: Buffer) => held.push(chunk));
    client.on('error', () => undefined).pipe(upstream.on('error', () => undefined));
    upstream.once('close', () => client.destroy());
    setTimeout(() => client.write(Buffer.concat(held)), hold_ms).unref();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void relay.close());
  await once(relay, 'listening');
  const from = performance.now();
  const late = connectTls({ port: portOf(relay), ALPNProtocols: ['h2'], rejectUnauthorized: false });
  late
    .on('error', () => undefined)
    .resume()
    .write(preface);
  await new Promise((resolve) => late.once('close', resolve));
  expect(performance.now() - from).toBeLessThan(hold_ms);
  const next = connectTls({ port: secure.port, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  onTestFinished(() => void next.destroy());
  await once(next, 'secureConnect');
  expect([next.alpnProtocol, secure.child.exitCode, secure.child.signalCode]).toEqual(['h2', null, null]);
});
