import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { WebSocket } from 'ws';
import { forgeToken } from '../support/forge.js';
import { bearer } from '../support/server.js';
import { agents, audience, jwtSecret } from './server.js';

/** One kind of traffic: does it once, and gives a word for how it ended. */
interface Traffic {
  readonly name: string;
  /** How many of a hundred. */
  readonly share: number;
  /** How most of it ends; a load that is refused as a whole would prove nothing. */
  readonly ends: string;
  readonly go: (client: SoakClient, turn: number) => Promise<string>;
}

/** A client of the server under test, with connections of its own. */
export class SoakClient {
  etag = '';
  token = '';
  #agent = new Agent({ connections: 24 });

  constructor(readonly url: string) {}

  async ask(path: string, headers: Record<string, string>, more: AskOptions = {}): Promise<number> {
    const { body, method = body === undefined ? 'GET' : 'POST', abort_ms } = more;
    const {
      statusCode,
      headers: head,
      body: answer,
    } = await request(`${this.url}${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }), ...more.headers },
      body: body ?? null,
      dispatcher: this.#agent,
      ...(abort_ms !== undefined && { signal: AbortSignal.timeout(abort_ms) }),
    });
    more.see?.(String(head.etag ?? ''));
    if (abort_ms !== undefined) await answer.arrayBuffer();
    else if (more.read) more.read(await answer.text());
    else await answer.dump({ limit: 10_000_000 });
    return statusCode;
  }

  /** Ends its connections; later requests make new ones. */
  async disconnect(): Promise<void> {
    const old = this.#agent;
    this.#agent = new Agent({ connections: 24 });
    await old.close();
  }
}

interface AskOptions {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly abort_ms?: number;
  readonly read?: (text: string) => void;
  /** Told the answer's entity tag. */
  readonly see?: (etag: string) => void;
}

const agent = (turn: number) => bearer(`${agents[turn % agents.length]}-key`);
const query = (name: string, args: Record<string, string>) => `/tools/m/${name}?${new URLSearchParams(args)}`;
const get =
  (name: string, more: AskOptions = {}) =>
  async (client: SoakClient, turn: number) =>
    String(await client.ask(query(name, { id: `i${turn}` }), agent(turn), more));
const post =
  (name: string, argument = 'id') =>
  async (client: SoakClient, turn: number) =>
    String(await client.ask(`/tools/m/${name}`, agent(turn), { body: JSON.stringify({ [argument]: `i${turn}` }) }));
const asReader = async (client: SoakClient) =>
  String(await client.ask('/tools/m/write', bearer('reader-key'), { body: '{}' }));
const sse = { headers: { accept: 'text/event-stream' } };

/** What a busy day brings, faults of callers and upstreams included. */
export const traffic: readonly Traffic[] = [
  { name: 'call http', share: 24, ends: '200', go: get('item') },
  { name: 'post', share: 6, ends: '200', go: post('write') },
  { name: 'manual', share: 6, ends: '200', go: (client, turn) => askManual(client, turn, '') },
  { name: 'manual, unchanged', share: 6, ends: '304', go: (client, turn) => askManual(client, turn, client.etag) },
  { name: 'call text', share: 5, ends: '200', go: get('note') },
  { name: 'big answer', share: 3, ends: '200', go: get('big') },
  { name: 'upstream fails', share: 3, ends: '503', go: get('fail') },
  { name: 'upstream too slow', share: 2, ends: '504', go: get('stall') },
  { name: 'given up by the caller', share: 3, ends: 'TimeoutError', go: get('slow', { abort_ms: 40 }) },
  { name: 'event stream', share: 4, ends: '200', go: get('events', sse) },
  { name: 'event stream, left', share: 2, ends: 'TimeoutError', go: get('events', { ...sse, abort_ms: 25 }) },
  { name: 'stream, collected', share: 2, ends: '200', go: get('events') },
  { name: 'websocket upstream', share: 4, ends: '200', go: post('talk', 'text') },
  { name: 'websocket in', share: 2, ends: 'answered', go: callOverWebsocket },
  { name: 'cli', share: 2, ends: '200', go: post('echo') },
  { name: 'mcp', share: 4, ends: '200', go: post('say', 'message') },
  { name: 'wrong arguments', share: 3, ends: '400', go: post('item', 'no') },
  { name: 'not allowed', share: 4, ends: '403', go: asReader },
  { name: 'unknown tool', share: 3, ends: '404', go: (client, turn) => get(`none-${turn}`)(client, turn) },
  { name: 'unknown key, many addresses', share: 5, ends: '401', go: askAsStranger },
  { name: 'new JWT each time', share: 3, ends: '200', go: callWithJwt },
  { name: 'token, then a call', share: 2, ends: '200', go: callWithToken },
  { name: 'condition on arguments', share: 2, ends: '403', go: callCarefully },
];

/** From an address that was last used by a stranger about a thousand turns ago. */
async function askAsStranger(client: SoakClient, turn: number): Promise<string> {
  const address = `198.51.${(turn >> 8) % 4}.${turn % 256}`;
  return String(await client.ask('/utcp', { ...bearer(randomBytes(24).toString('hex')), 'x-forwarded-for': address }));
}

async function callCarefully(client: SoakClient, turn: number): Promise<string> {
  return String(await client.ask(query('item', { id: turn % 3 === 0 ? 'y' : 'x' }), bearer('careful-key')));
}

async function askManual(client: SoakClient, turn: number, etag: string): Promise<string> {
  const headers = { 'accept-encoding': 'gzip', ...(etag !== '' && { 'if-none-match': etag }) };
  const answered = await client.ask('/utcp', agent(turn), {
    headers,
    see: (fresh) => {
      client.etag = fresh;
    },
  });
  return String(answered);
}

async function callOverWebsocket(client: SoakClient, turn: number): Promise<string> {
  const socket = new WebSocket(`${client.url.replace('http', 'ws')}/tools/m/item/ws`, { headers: agent(turn) });
  try {
    await once(socket, 'open');
    for (let message = 0; message < 3; message++) {
      socket.send(JSON.stringify({ id: message, arguments: { id: `w${turn}` } }));
      await once(socket, 'message');
    }
    return 'answered';
  } finally {
    // Some callers say goodbye, some are just gone.
    if (turn % 2 === 0) socket.close();
    else socket.terminate();
  }
}

async function callWithJwt(client: SoakClient, turn: number): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'local', aud: audience, sub: 'agent-0', jti: `j${turn}`, iat: now, exp: now + 60 };
  const token = forgeToken({ alg: 'HS256', typ: 'JWT' }, claims, jwtSecret);
  return String(await client.ask(query('item', { id: `i${turn}` }), bearer(token)));
}

async function callWithToken(client: SoakClient, turn: number): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id: 'batch', client_secret: 'batch-secret' };
  const status = await client.ask(
    '/oauth/token',
    {},
    {
      body: new URLSearchParams(form).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      read: (text) => {
        client.token = JSON.parse(text).access_token ?? '';
      },
    },
  );
  if (status !== 200) return `token ${status}`;
  return String(await client.ask(query('item', { id: `i${turn}` }), bearer(client.token)));
}
