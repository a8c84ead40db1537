import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a stub identity provider answers next. */
export type ProviderBehaviour = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** An HTTP server on loopback that answers as it is told to, and counts. */
export class StubProvider {
  behave: ProviderBehaviour;
  requests = 0;
  readonly #server: Server;

  constructor(behave: ProviderBehaviour) {
    this.behave = behave;
    this.#server = createServer(async (request, response) => {
      this.requests++;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
      this.behave(request, response, Buffer.concat(chunks).toString('utf8'));
    });
  }

  /** Listens, unless it does already. */
  async start(port = 0): Promise<string> {
    if (this.#server.listening) return this.url;
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${addressOf(this.#server).port}`;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with this JSON, status 200. */
export function answerJson(value: unknown): ProviderBehaviour {
  return (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(value));
  };
}

export const answerNothing: ProviderBehaviour = () => undefined;

/** The address of a server that listens. */
export function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server does not listen.');
  return address;
}
