import { createHmac, randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import type { JsonObject } from '../core/index.js';
import type { WebhookConfig } from './anomaly-config.js';

export interface WebhookOptions {
  readonly config: WebhookConfig;
  /** Key of the signature. */
  readonly secret: string;
  /** Told in plain words when a message is given up; never names the URL, which may hold a token. */
  readonly report: (problem: string) => void;
  /** Milliseconds before the second try, doubled before each further one; default 1,000. */
  readonly first_wait_ms?: number;
}

interface Message {
  readonly id: string;
  readonly body: string;
}

const longestWait_ms = 60_000;

/**
 * Sends messages to one URL, in order, one at a time. Each carries `x-gatehouse-id`, the same at every try, and
 * `x-gatehouse-signature: t=<Unix seconds>,v1=<hex>`, an HMAC-SHA256 over `<t>.<body>`. An answer other than 2xx, or none,
 * is tried again; 4xx other than 408 and 429 is final. Redirects are not followed.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #agent: Agent;
  readonly #queue: Message[] = [];
  /** Ends a wait between tries, and what is under way, when it is time to close. */
  readonly #closing = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#agent = new Agent({ connections: 1, connect: { timeout: options.config.timeout_ms } });
  }

  /** Takes a message to send; without room it is given up, which is reported. Never throws. */
  send(message: JsonObject): void {
    if (this.#queue.length >= this.#options.config.max_queue || this.#closing.signal.aborted) {
      this.#options.report('A message to the anomaly webhook was given up: too many are waiting.');
      return;
    }
    this.#queue.push({ id: randomUUID(), body: JSON.stringify(message) });
    this.#sending ??= this.#sendAll();
  }

  /** Sends what is waiting for at most one timeout, then gives it up. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), this.#options.config.timeout_ms);
    await this.#sending;
    clearTimeout(timer);
    this.#closing.abort();
    await this.#agent.destroy();
  }

  async #sendAll(): Promise<void> {
    for (let message = this.#queue[0]; message; message = this.#queue[0]) {
      if (!(await this.#deliver(message))) this.#options.report('A message to the anomaly webhook was given up.');
      this.#queue.shift();
    }
    this.#sending = undefined;
  }

  async #deliver(message: Message): Promise<boolean> {
    for (let tries = 1; !this.#closing.signal.aborted; tries++) {
      const status = await this.#post(message);
      if (status >= 200 && status < 300) return true;
      const final = status >= 400 && status < 500 && status !== 408 && status !== 429;
      if (final || tries >= this.#options.config.max_tries) return false;
      await this.#wait(Math.min((this.#options.first_wait_ms ?? 1000) * 2 ** (tries - 1), longestWait_ms));
    }
    return false;
  }

  /** The status of the answer; 0 when there was none. */
  async #post({ id, body }: Message): Promise<number> {
    const seconds = Math.trunc(Date.now() / 1000);
    const digest = createHmac('sha256', this.#options.secret).update(`${seconds}.${body}`).digest('hex');
    const { url, timeout_ms } = this.#options.config;
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: {
          'content-type': 'application/json',
          'x-gatehouse-id': id,
          'x-gatehouse-signature': `t=${seconds},v1=${digest}`,
        },
        body,
        headersTimeout: timeout_ms,
        bodyTimeout: timeout_ms,
        signal: this.#closing.signal,
      });
      await answer.body.dump();
      return answer.statusCode;
    } catch {
      // Refused, timed out, reset: the caller tries again or reports that it gave up.
      return 0;
    }
  }

  #wait(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      if (signal.aborted) finish();
      else signal.addEventListener('abort', finish);
    });
  }
}
