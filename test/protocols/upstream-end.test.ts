import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { GatehouseError } from '../../src/core/index.js';
import { EgressPolicy } from '../../src/protocols/egress.js';
import { CallDeadline } from '../../src/protocols/http-deadline.js';
import { StreamExchange } from '../../src/protocols/stream-exchange.js';
import { createTlsProfile } from '../../src/protocols/tls.js';
import { UpstreamConnections } from '../../src/protocols/upstream-connections.js';
import { type Identity, issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { makeScope } from '../support/http-call.js';
import { portOf } from '../support/websocket-upstream.js';

let identity: Identity;
let files: ReturnType<typeof writeFiles>;
beforeAll(async () => {
  const authority = await makeAuthority();
  identity = await issueCertificate(authority, ['127.0.0.1']);
  files = writeFiles({ 'ca.pem': authority.cert });
});
afterAll(() => files.remove());

const head = (framing: string) => `HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n${framing}\r\n`;

/** An upstream whose whole answer is `bytes`, after which it ends the connection, or resets it. */
async function serve(scheme: string, bytes: string, goes: 'ended' | 'reset' = 'ended') {
  const server = createServer((raw) => {
    const socket = scheme === 'https' ? new TLSSocket(raw, { isServer: true, ...identity }) : raw;
    const go = () => void (goes === 'ended' ? socket.end() : raw.resetAndDestroy());
    socket.on('error', () => undefined).once('data', () => socket.write(bytes, () => setTimeout(go, 20)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const url = new URL(`${scheme}://127.0.0.1:${portOf(server)}`);
  const tls = createTlsProfile({ ca_file: 'ca.pem' }, files.dir);
  return { url, policy: new EgressPolicy(['127.0.0.1']), tls };
}

/** Reads a stream when its upstream has been gone for a while; gives how many bytes came, and how it ended. */
async function readLate(upstream: Awaited<ReturnType<typeof serve>>) {
  const bounds = { max: 1, max_idle: 1 };
  const connections = new UpstreamConnections(upstream, bounds);
  onTestFinished(() => connections.close(new GatehouseError('upstream_failed')));
  const deadline = new CallDeadline(makeScope(), 5000);
  const exchange = await StreamExchange.open(connections, { path: '/', method: 'GET' }, deadline, 3000);
  onTestFinished(() => {
    exchange.close();
    deadline.release();
  });
  await sleep(100);
  let bytes = 0;
  try {
    for (let chunk = await exchange.next(); chunk; chunk = await exchange.next()) bytes += chunk.length;
    return { bytes };
  } catch (error) {
    return { bytes, error };
  }
}

describe.each(['http', 'https'])('an answer over %s whose consumer is behind when the upstream goes', (scheme) => {
  // 64 KiB pause undici's parser, so that this ends where it is paused.
  const body = 'x'.repeat(65_536);
  const framings = [
    ['its end', 'connection: close\r\n'],
    ['a length', `content-length: ${body.length}\r\n`],
  ] as const;
  it.each(framings)('is whole when it is bounded by %s, and takes nothing else with it', async (_, framing) => {
    const upstream = await serve(scheme, head(framing) + body);
    expect(await readLate(upstream)).toEqual({ bytes: body.length });
  });

  it('is a failure when the connection was reset', async () => {
    const upstream = await serve(scheme, head('connection: close\r\n') + body, 'reset');
    const error = { code: 'upstream_failed', reason: 'connection_reset' };
    expect(await readLate(upstream)).toMatchObject({ bytes: body.length, error });
  });
});
