import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { everythingScript, everythingServer } from './mcp.js';
import { findFreePort } from './port.js';
import { keyEntry, startServer, type TestServer } from './server.js';
import { sendEvents } from './stream.js';
import { openUpstream, sendJson, type TestUpstream, type UpstreamHandler } from './upstream.js';
import { startWebsocketUpstream, type WebsocketUpstream } from './websocket-upstream.js';

/** One call template with an upstream that answers: `word` comes back in the result. */
export interface ProtocolCase {
  /** Names the tools: `name`, `name_fail`, and `name_hang` where `hangs`. */
  readonly name: string;
  readonly type: string;
  readonly args: Readonly<Record<string, string | number>>;
  readonly result: unknown;
  /** Items of the streaming forms; undefined where there are none. */
  readonly items?: readonly unknown[];
  /** No file ever hangs. */
  readonly hangs: boolean;
}

/** How long a program that hangs sleeps: a text by which its processes are found. */
export const sleepTime = `5.${process.pid}`;

const word = 'wörd';
const events = [{ n: 1, word }, { n: 2 }];
const plain = { args: { word }, hangs: true };

/** Each row of the table of protocols, `cli` in both shapes and `mcp` over both transports. */
export const protocolCases: readonly ProtocolCase[] = [
  { name: 'web', type: 'http', result: { word }, ...plain },
  { name: 'events', type: 'sse', result: events, items: events, ...plain },
  { name: 'rows', type: 'streamable_http', result: events, items: events, ...plain },
  { name: 'socket', type: 'websocket', result: { got: { word } }, items: [{ got: { word } }], ...plain },
  { name: 'program', type: 'cli', result: word, ...plain },
  { name: 'commands', type: 'cli', result: word, ...plain },
  { name: 'note', type: 'text', result: 'a note', args: { word: 'note.txt' }, hangs: false },
  { name: 'paper', type: 'file', result: 'a note', args: { word: 'note.txt' }, hangs: false },
  {
    name: 'stdio',
    type: 'mcp',
    result: `Echo: ${word}`,
    items: [`Echo: ${word}`],
    args: { message: word },
    hangs: true,
  },
  {
    name: 'remote',
    type: 'mcp',
    result: `Echo: ${word}`,
    items: [`Echo: ${word}`],
    args: { message: word },
    hangs: true,
  },
];

/** A running Gatehouse, from a configuration file, whose manual has every protocol. */
export interface EveryProtocol {
  readonly server: TestServer;
  readonly url: string;
  /** Ends the server alone; the upstreams stay. */
  close(): Promise<void>;
}

/** The upstreams of every protocol, which outlive the servers that call them. */
export interface EveryUpstream {
  readonly web: TestUpstream;
  readonly sockets: WebsocketUpstream;
  readonly mcp_port: number;
  close(): Promise<void>;
}

const answerWeb: UpstreamHandler = ({ url }, response) => {
  const [, kind, given = ''] = url.split('/');
  if (kind === 'fail') return sendJson(response, { error: 'no' }, 500);
  if (kind === 'web') return sendJson(response, { word: decodeURIComponent(given) });
  const rows = [JSON.stringify({ n: 1, word: decodeURIComponent(given) }), '{"n":2}'];
  if (kind === 'events') return sendEvents(response, ...rows.map((row) => `data: ${row}\n\n`));
  if (kind !== 'rows') return;
  response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(rows.join('\n'));
};

/** Starts an HTTP upstream, a websocket upstream and an MCP server over HTTP. */
export async function startEveryUpstream(): Promise<EveryUpstream> {
  const web = await openUpstream(answerWeb);
  const sockets = await startWebsocketUpstream((client, { url }) => {
    client.on('message', (data) => {
      if (url === '/fail') client.close(1011);
      else if (url === '/socket') client.send(`{"got":${String(data)}}`);
    });
  });
  const mcp_port = await findFreePort();
  const mcp = await startMcp(mcp_port);
  return {
    web,
    sockets,
    mcp_port,
    async close() {
      mcp.kill('SIGKILL');
      await Promise.all([once(mcp, 'close'), web.close(), sockets.close()]);
    },
  };
}

/** Starts Gatehouse over these upstreams; a tool that hangs ends after 250 ms, and a caller may make `at_once` calls. */
export async function startEveryProtocol(
  upstreams: EveryUpstream,
  cases: readonly ProtocolCase[] = protocolCases,
  at_once = 64,
): Promise<EveryProtocol> {
  const tools = cases.flatMap((one) => describeTools(one, upstreams));
  const hanging = tools.filter(({ name }) => name.endsWith('_hang'));
  const streaming = cases.filter(({ items }) => items).map(({ name }) => name);
  const server = await startServer({
    environment: {
      API_WEB_URL: upstreams.web.origin,
      API_SOCKET_URL: `ws://127.0.0.1:${upstreams.sockets.port}`,
      API_TOKEN: 'upstream-secret',
    },
    files: { 'all.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools }, 'note.txt': 'a note' },
    config: {
      server: { websocket: { max_connections_per_caller: at_once } },
      manuals: [
        {
          name: 'all',
          source: './all.yaml',
          allow_private_hosts: ['127.0.0.1'],
          max_streams_per_caller: at_once,
          max_retries: 0,
          tools: Object.fromEntries([
            ...hanging.map(({ name }) => [name, { timeout_ms: 250 }]),
            ...streaming.map((name) => [name, { publish_as: ['http', 'sse', 'streamable_http'] }]),
          ]),
        },
      ],
      limits: {
        per_caller: { per_minute: 1_000_000 },
        concurrency: { per_caller: at_once, per_tool: at_once, per_upstream: at_once },
        circuit_breaker: { failure_ratio: 1, minimum_calls: 1_000_000 },
      },
      anomalies: { enabled: false },
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('agent-key') } }],
    },
  });
  return { server, url: server.url, close: () => server.close() };
}

type ToolKind = '' | '_fail' | '_hang';

function describeTools({ name, args, hangs }: ProtocolCase, upstreams: EveryUpstream) {
  const properties = Object.fromEntries(
    Object.entries(args).map(([key, value]) => [key, { type: typeof value, maxLength: 40 }]),
  );
  const kinds: ToolKind[] = ['', '_fail', ...(hangs ? ['_hang' as const] : [])];
  return kinds.map((kind) => ({
    name: `${name}${kind}`,
    description: `Calls ${name}${kind}.`,
    tags: ['read'],
    inputs: { type: 'object', properties, required: Object.keys(args), additionalProperties: false },
    tool_call_template: describeTemplate(name, kind, upstreams),
  }));
}

function describeTemplate(name: string, kind: ToolKind, { mcp_port }: EveryUpstream): object {
  const path = kind === '' ? name : kind.slice(1);
  const auth = { auth_type: 'api_key', api_key: 'Bearer ${API_TOKEN}', var_name: 'Authorization', location: 'header' };
  const mcpTool = { '': 'echo', _fail: 'get-sum', _hang: 'trigger-long-running-operation' }[kind];
  switch (name) {
    case 'web':
      return { call_template_type: 'http', url: `\${API_WEB_URL}/${path}/{word}`, auth };
    case 'events':
      return { call_template_type: 'sse', url: `\${API_WEB_URL}/${path}/{word}`, auth };
    case 'rows':
      return { call_template_type: 'streamable_http', url: `\${API_WEB_URL}/${path}/{word}`, auth };
    case 'socket':
      return { call_template_type: 'websocket', url: `\${API_SOCKET_URL}/${path}`, auth };
    case 'program': {
      if (kind === '_hang') return { call_template_type: 'cli', command: '/usr/bin/sleep', args: [sleepTime] };
      if (kind === '_fail') return { call_template_type: 'cli', command: '/usr/bin/false' };
      return { call_template_type: 'cli', command: '/usr/bin/printf', args: ['%s', '${word}'] };
    }
    case 'commands': {
      const command = {
        '': '/usr/bin/printf %s UTCP_ARG_word_UTCP_END',
        _fail: '/usr/bin/false',
        _hang: `/usr/bin/sleep ${sleepTime}`,
      }[kind];
      return { call_template_type: 'cli', commands: [{ command }] };
    }
    case 'note':
      return { call_template_type: 'text', file_path: `./${path}-\${word}`.replace('note-', ''), allowed_paths: ['.'] };
    case 'paper':
      return {
        call_template_type: 'file',
        file_path: `./${path}-\${word}`.replace('paper-', ''),
        allowed_paths: ['.'],
      };
    case 'stdio':
      return { call_template_type: 'mcp', tool_name: mcpTool, server_config: everythingServer() };
    default:
      return {
        call_template_type: 'mcp',
        tool_name: mcpTool,
        server_config: { url: `http://127.0.0.1:${mcp_port}/mcp` },
      };
  }
}

async function startMcp(port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [everythingScript(), 'streamableHttp'], {
    env: { PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(child.stderr, 'data');
  return child;
}
