import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Identity } from './certificates.js';

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text or bytes as they are; anything else as JSON. */
  readonly body?: unknown;
}

/** Answers one request; nothing answered leaves the connection open. */
export type Handler = (request: SeenRequest, url: string) => Reply | undefined;

export interface ManualServer {
  readonly url: string;
  readonly seen: SeenRequest[];
}

/** A provider of the test's own on a loopback port, ended with the test. */
export async function startManualServer(handler: Handler, identity?: Identity): Promise<ManualServer> {
  const seen: SeenRequest[] = [];
  const listener = async (message: IncomingMessage, response: ServerResponse) => {
    const request = await readRequest(message);
    seen.push(request);
    const reply = handler(request, url);
    if (reply) send(response, reply);
  };
  const server = identity ? createTlsServer({ ...identity }, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `${identity ? 'https' : 'http'}://127.0.0.1:${portOf(server.address())}`;
  return { url, seen };
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== 'object' || !address) throw new Error('The server does not listen on a port.');
  return address.port;
}

async function readRequest(message: IncomingMessage): Promise<SeenRequest> {
  let body = '';
  for await (const chunk of message) body += String(chunk);
  return { method: message.method ?? '', url: message.url ?? '', headers: message.headers, body };
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: Reply): void {
  const raw = typeof body === 'string' || Buffer.isBuffer(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(raw ? body : JSON.stringify(body));
}

/** A manual of the given tools; each is a name or whatever else of it matters to the test. */
export function makeManual(
  tools: readonly (string | ({ readonly name: string } & Record<string, unknown>))[],
  url = 'https://api.example.com',
) {
  return {
    utcp_version: '1.1.0',
    manual_version: '1.0.0',
    tools: tools.map((tool) => ({
      description: 'A tool',
      inputs: { type: 'object', properties: {} },
      tool_call_template: { call_template_type: 'http', http_method: 'GET', url: `${url}/x` },
      ...(typeof tool === 'string' ? { name: tool } : tool),
    })),
  };
}
