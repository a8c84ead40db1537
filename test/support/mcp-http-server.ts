import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

/** What a fake server does with a `tools/call`; `id` is the request's. */
export type CallHandler = (response: ServerResponse, id: number | string) => void;

/** A streamable HTTP MCP server of one tool, `act`, whose answer the test gives. */
export interface FakeMcpServer {
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** Answers every request in its place, when set. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

/** Starts a fake server on a free port of 127.0.0.1, or on a given one. */
export async function startFakeMcpServer(onCall: CallHandler, port = 0): Promise<FakeMcpServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (fake.intercept?.(request, response)) return;
    void answer(request, response, onCall);
  });
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  const fake: FakeMcpServer = {
    url: `http://127.0.0.1:${bound}/mcp`,
    requests,
    intercept: undefined,
    close: () => stop(server),
  };
  return fake;
}

const messageSchema = z.object({ id: z.union([z.number(), z.string()]).optional(), method: z.string() });

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, onCall: CallHandler): Promise<void> {
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const message = messageSchema.parse(await json(request));
  if (message.id === undefined) return void response.writeHead(202).end();
  if (message.method === 'tools/call') return onCall(response, message.id);
  const results: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'fake', version: '1' },
    },
    'tools/list': { tools: [{ name: 'act', inputSchema: { type: 'object' } }] },
  };
  const result = results[message.method];
  sendJson(
    response,
    result
      ? { jsonrpc: '2.0', id: message.id, result }
      : { jsonrpc: '2.0', id: message.id, error: { code: -32_601, message: 'Method not found' } },
  );
}

/** Answers with one JSON document. */
export function sendJson(response: ServerResponse, document: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'session-1' });
  response.end(JSON.stringify(document));
}

/** The result of a call whose content is one text. */
export function textResult(id: number | string, text: string): unknown {
  return { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } };
}
