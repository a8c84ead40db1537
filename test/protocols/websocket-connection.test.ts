import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { GatehouseError } from '../../src/core/index.js';
import { bindUpstream } from '../../src/protocols/egress.js';
import { type Watcher, WebsocketConnection, type WebsocketTarget } from '../../src/protocols/websocket-connection.js';
import { makeBinding } from '../support/binding.js';
import { whenStill } from '../support/processes.js';
import { portOf, startWebsocketUpstream, type WebsocketUpstreamOptions } from '../support/websocket-upstream.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function targetAt(port: number, over: Partial<WebsocketTarget> = {}): WebsocketTarget {
  const place = { kind: 'ws', verify_ssl: true, pointer: '/url' } as const;
  const upstream = bindUpstream(`ws://127.0.0.1:${port}/`, place, makeBinding());
  return {
    url: upstream.url,
    headers: {},
    protocol: undefined,
    upstream,
    connection_timeout_ms: 1000,
    ping_interval_ms: 1000,
    max_message_bytes: 1024,
    ...over,
  };
}

async function start(onClient: (client: WebSocket) => void, options: WebsocketUpstreamOptions = {}) {
  const upstream = await startWebsocketUpstream(onClient, options);
  cleanups.push(() => upstream.close());
  return upstream;
}

async function open(target: WebsocketTarget): Promise<WebsocketConnection> {
  const connection = await WebsocketConnection.open(target, patient);
  cleanups.push(() => connection.terminate());
  return connection;
}

/** A deadline that never ends. */
const patient: Watcher = { watch: () => undefined };
const soon = 5000;

describe('WebsocketConnection', () => {
  it('hands on messages in order, text as text and binary as bytes', async () => {
    const upstream = await start((client) => {
      client.send('one');
      client.send(Buffer.from([0, 255]));
      client.close(1000);
    });
    const connection = await open(targetAt(upstream.port));
    expect(await connection.next(soon)).toBe('one');
    expect(await connection.next(soon)).toEqual(Buffer.from([0, 255]));
    expect(await connection.next(soon)).toBeUndefined();
  });

  it('fails when the upstream goes without a closing handshake', async () => {
    const upstream = await start((client) => client.terminate());
    const connection = await open(targetAt(upstream.port));
    await expect(connection.next(soon)).rejects.toMatchObject({ code: 'upstream_failed', reason: 'connection_reset' });
  });

  it('gives up on a handshake that takes too long, one that drips bytes too', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      const text = 'HTTP/1.1 101 Switching Protocols\r\nX-Slow: ';
      let at = 0;
      const drip = setInterval(() => socket.write(text[at++] ?? 'x'), 10);
      socket.on('close', () => clearInterval(drip)).on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const started = performance.now();
    const target = targetAt(portOf(server), { connection_timeout_ms: 150 });
    await expect(WebsocketConnection.open(target, patient)).rejects.toMatchObject({
      code: 'upstream_timeout',
      reason: 'connection_timeout',
    });
    expect(performance.now() - started).toBeLessThan(1000);
    await expect.poll(() => sockets.every((socket) => socket.destroyed)).toBe(true);
  });

  it('ends a connection whose peer no longer answers the heartbeat', async () => {
    const upstream = await start(() => undefined, { autoPong: false });
    const connection = await open(targetAt(upstream.port, { ping_interval_ms: 50 }));
    await expect(connection.next(soon)).rejects.toMatchObject({ code: 'upstream_timeout', reason: 'heartbeat_lost' });
    await expect.poll(() => upstream.open).toBe(0);
  });

  it('keeps a quiet connection open whose peer answers the heartbeat', async () => {
    const upstream = await start((client) => setTimeout(() => client.send('late'), 300));
    const connection = await open(targetAt(upstream.port, { ping_interval_ms: 30 }));
    expect(await connection.next(soon)).toBe('late');
  });

  it('refuses a message over the size cap', async () => {
    const upstream = await start((client) => client.send('x'.repeat(1025)));
    const connection = await open(targetAt(upstream.port));
    await expect(connection.next(soon)).rejects.toMatchObject({ code: 'upstream_too_large' });
  });

  it('reads no further than its consumer reads, and takes no slow consumer for a dead peer', async () => {
    let sent = 0;
    const upstream = await start((client) => {
      const send = () => {
        if (client.readyState !== client.OPEN) return;
        sent += 1;
        client.send('x'.repeat(65_536), send);
      };
      send();
    });
    const target = targetAt(upstream.port, { max_message_bytes: 65_536, ping_interval_ms: 50 });
    const connection = await open(target);
    const before = await whenStill(() => sent);
    for (let taken = 0; taken <= before; taken += 1) expect(await connection.next(soon)).toHaveLength(65_536);
    await expect.poll(() => sent).toBeGreaterThan(before);
  });

  it('settles at once when the call is cancelled, while it connects and while it waits', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(async () => server.close());
    const stopped = new GatehouseError('client_aborted');
    const deadline: Watcher = { watch: (waiting) => setTimeout(() => waiting.stop(stopped), 30) };
    await expect(WebsocketConnection.open(targetAt(portOf(server)), deadline)).rejects.toBe(stopped);

    const upstream = await start(() => undefined);
    const connection = await open(targetAt(upstream.port));
    const next = connection.next(soon);
    connection.stop(stopped);
    await expect(next).rejects.toBe(stopped);
    await expect.poll(() => upstream.open).toBe(0);
  });

  it('gives up when no message comes within the response timeout', async () => {
    const upstream = await start(() => undefined);
    const connection = await open(targetAt(upstream.port));
    await expect(connection.next(50)).rejects.toMatchObject({ code: 'upstream_timeout', reason: 'response_timeout' });
  });

  it('speaks the subprotocol that the template names, and no other', async () => {
    const right = await start(() => undefined, { protocol: 'utcp-v1' });
    await (await open(targetAt(right.port, { protocol: 'utcp-v1' }))).close();
    expect(right.handshakes[0]?.headers['sec-websocket-protocol']).toBe('utcp-v1');
    const wrong = await start(() => undefined, { protocol: 'other' });
    await expect(open(targetAt(wrong.port, { protocol: 'utcp-v1' }))).rejects.toMatchObject({
      code: 'upstream_failed',
    });
  });

  it('closes within a second a connection whose peer never says goodbye', async () => {
    const upstream = await start((client) => client.pause());
    const connection = await open(targetAt(upstream.port));
    const started = performance.now();
    await connection.close();
    expect(performance.now() - started).toBeLessThan(1500);
  });
});
