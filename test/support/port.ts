import { once } from 'node:events';
import { createServer } from 'node:net';

// Below what systems hand out to connections (Linux from 32768 on): one of those may take a port before its server does.
const lowest = 20_000;
const count = 12_000;

/** A loopback port that nobody listens on, for who must be told its port ahead. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * count);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
