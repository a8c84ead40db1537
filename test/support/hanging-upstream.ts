import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { portOf } from './websocket-upstream.js';

/** An HTTP upstream that can hang, and that remembers which calls reached it. */
export class HangingUpstream {
  /** How often each `id` of a call came here. */
  readonly seen = new Map<string, number>();
  readonly #server: Server;
  readonly #held: ServerResponse[] = [];
  #hanging = false;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(): Promise<HangingUpstream> {
    const upstream = new HangingUpstream();
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`;
  }

  /** From now on it takes requests and answers none. */
  hang(): void {
    this.#hanging = true;
  }

  /** Answers again, what it has held included. */
  resume(): void {
    this.#hanging = false;
    for (const response of this.#held.splice(0)) sendJson(response, { held: true });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    for await (const _chunk of request) {
      // A body is taken and not looked at.
    }
    const { pathname } = new URL(request.url ?? '/', 'http://upstream');
    const [, route = '', id = ''] = pathname.split('/');
    if (id !== '') this.seen.set(id, (this.seen.get(id) ?? 0) + 1);
    if (this.#hanging) this.#held.push(response);
    else await answer(route, id, response);
  }
}

async function answer(route: string, id: string, response: ServerResponse): Promise<void> {
  if (route === 'slow') await sleep(250);
  if (route === 'stall') await sleep(900);
  if (route === 'fail') return sendJson(response, { title: 'no' }, 500);
  if (route === 'big') return sendJson(response, { rows: Array.from({ length: 2000 }, (_, row) => ({ row, id })) });
  if (route !== 'events') return sendJson(response, { id, route });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let event = 0; event < 5 && !response.destroyed; event++) {
    response.write(`data: {"event":${event}}\n\n`);
    await sleep(10);
  }
  response.end();
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
