import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EgressPolicy } from '../../src/protocols/egress.js';
import { createGuardedConnector } from '../../src/protocols/egress-connection.js';
import { createTlsProfile } from '../../src/protocols/tls.js';
import { call, failure, makeRegistry, prepare } from '../support/http-call.js';

/** What an upstream does with a connection that has asked for something. */
type Answerer = (socket: Socket, path: string) => void;

let origin: string;
let connections: number;
let answer: Answerer;
beforeEach(async () => {
  connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined);
    let head = '';
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const path = head.split(' ')[1] ?? '';
      head = '';
      answer(socket, path);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  origin = `http://127.0.0.1:${address.port}`;
});

const head = (size: number) => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${size}\r\n\r\n`;

describe('an answer of an upstream', () => {
  it('is what that upstream wrote, however many are read at the same time', async () => {
    const sent = new Map<string, string>();
    answer = (socket, path) => {
      const text = JSON.stringify(randomBytes(1 + ((Number(path.slice(1)) * 7919) % 60_000)).toString('hex'));
      sent.set(path, createHash('sha256').update(text).digest('hex'));
      const bytes = Buffer.from(head(text.length) + text);
      const middle = 1 + ((Number(path.slice(1)) * 31) % (bytes.length - 1));
      socket.write(bytes.subarray(0, middle));
      setImmediate(() => socket.write(bytes.subarray(middle)));
    };
    const { registry } = makeRegistry();
    const seen = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const result = await call(prepare({ url: `${origin}/${index}` }, [], {}, registry));
        return createHash('sha256').update(JSON.stringify(result)).digest('hex');
      }),
    );
    expect(seen).toEqual(seen.map((_, index) => sent.get(`/${index}`)));
  });

  it('may come byte by byte', async () => {
    answer = (socket) => {
      const bytes = Buffer.from(`${head(6)}"abcd"`);
      let at = 0;
      const timer = setInterval(() => {
        if (at === bytes.length) clearInterval(timer);
        else socket.write(bytes.subarray(at, ++at));
      }, 1);
    };
    expect(await call(prepare({ url: origin }))).toBe('abcd');
  });

  it('without a length ends with its connection', async () => {
    answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n["a",');
      setTimeout(() => socket.end('"b"]'), 20);
    };
    expect(await call(prepare({ url: origin }))).toEqual(['a', 'b']);
  });

  it.each<[string, (socket: Socket) => void]>([
    ['is ended', (socket) => socket.end()],
    ['is reset', (socket) => socket.resetAndDestroy()],
  ])('that breaks off when its connection %s is a failure, and the next call goes on a new one', async (_, end) => {
    let isBroken = true;
    answer = (socket) => {
      socket.write(`${head(4)}${isBroken ? 'tr' : 'true'}`);
      if (isBroken) setTimeout(() => end(socket), 20);
      isBroken = false;
    };
    const { registry } = makeRegistry();
    const prepared = prepare({ url: origin, http_method: 'POST' }, [], {}, registry);
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed' });
    expect(await call(prepared)).toBe(true);
    expect(connections).toBe(2);
  });

  // GHSA-35p6-xmwp-9g52: it would be taken for the answer to the next request.
  it('that nobody asked for is no answer to the next call (GHSA-35p6-xmwp-9g52)', async () => {
    answer = (socket, path) => {
      socket.write(`${head(8)}${JSON.stringify(path.padEnd(6, '.'))}`);
      setTimeout(() => socket.write(`${head(8)}"forged"`), 10);
    };
    const { registry } = makeRegistry();
    const tool = (path: string) => prepare({ url: origin + path }, [], {}, registry);
    expect(await call(tool('/one'))).toBe('/one..');
    await new Promise((done) => setTimeout(done, 50));
    expect(await call(tool('/two'))).toBe('/two..');
    expect(connections).toBe(2);
  });
});

describe('a connection', () => {
  const outcomes: unknown[] = [];
  /** Begins one to a host whose name nobody resolves. */
  function beginSlowly() {
    outcomes.length = 0;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const policy = new EgressPolicy(['slow.example']);
    const connect = createGuardedConnector({ policy, tls: createTlsProfile({}, '.'), resolve: () => undefined });
    const target = { hostname: 'slow.example', protocol: 'http:', port: '80' };
    return connect(target, (...[error]) => void outcomes.push(error));
  }

  it('that does not stand in time is a failure by name, and is given up', () => {
    const socket = beginSlowly();
    vi.advanceTimersByTime(9_999);
    expect([outcomes, socket?.destroyed]).toEqual([[], false]);
    vi.advanceTimersByTime(1);
    expect(socket?.destroyed).toBe(true);
    return vi.waitFor(() => expect(outcomes).toMatchObject([{ code: 'UND_ERR_CONNECT_TIMEOUT' }]));
  });

  it('that is given up without a word leaves no timer behind', () => {
    beginSlowly()?.destroy();
    return vi.waitFor(() => expect(vi.getTimerCount()).toBe(0));
  });
});
