import { manualSignatureHeader, type PublicKey, readPublicKeys } from '../signing/index.js';
import { fromProblem, UpstreamError } from './errors.js';
import { asUpstreamAnswer, type HttpAnswer, type HttpFetcher } from './http.js';
import { parseManual, type ServedManual } from './manual.js';
import { readProblem } from './problem.js';
import type { Provider } from './provider.js';
import { retry } from './retry.js';
import type { ManualGuard } from './signature.js';
import type { Authorizer } from './token.js';

/** Manuals that are kept for reuse by ETag: the whole one and the latest searches. */
const maxKept = 50;

export interface DiscoveryOptions {
  readonly provider: Provider;
  readonly fetcher: HttpFetcher;
  readonly authorizer: Authorizer;
  readonly guard: ManualGuard;
  readonly timeout_ms: number;
  readonly retries: number;
  readonly max_wait_ms: number;
}

/** Fetches manuals, with the ETag of what is known, and lets none through that the guard has not passed. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #known = new Map<string, { readonly etag: string; readonly manual: ServedManual }>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** The manual, or what of it `query` asks for. Throws ToolError. */
  async fetch(query: Readonly<Record<string, string>>): Promise<ServedManual> {
    const url = new URL(this.#options.provider.manualUrl);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const known = this.#known.get(url.href);
    const answer = await this.#get(url, known ? { 'if-none-match': known.etag } : {});
    if (answer.status === 304 && known) return known.manual;
    if (answer.status !== 200) throw fromProblem(readProblem(asUpstreamAnswer(answer)));
    const manual = parseManual(answer.body.toString('utf8'));
    await this.#options.guard.check(manual, await this.#signatureOf(answer, url));
    this.#remember(url.href, answer.headers.etag, manual);
    return manual;
  }

  /** Forgets what is kept, so that the next manual is fetched and checked anew. */
  forget(): void {
    this.#known.clear();
  }

  #remember(key: string, etag: string | undefined, manual: ServedManual): void {
    this.#known.delete(key);
    if (etag === undefined) return;
    this.#known.set(key, { etag, manual });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= maxKept) return;
      this.#known.delete(oldest);
    }
  }

  async #get(url: URL, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const { fetcher, authorizer, timeout_ms, retries, max_wait_ms } = this.#options;
    const send = async () => fetcher.get(url, { ...headers, ...(await authorizer.header()) });
    return retry({ retries, max_wait_ms, deadline: Date.now() + timeout_ms }, async () => {
      let answer = await send();
      if (answer.status === 401 && authorizer.renew()) answer = await send();
      if (answer.status === 429 || answer.status >= 500) throw fromProblem(readProblem(asUpstreamAnswer(answer)));
      return answer;
    });
  }

  // A static manual has no response header of its own; its signature lies beside it.
  async #signatureOf(manual: HttpAnswer, url: URL): Promise<string | undefined> {
    const header = manual.headers[manualSignatureHeader];
    if (header !== undefined) return String(header);
    if (!url.pathname.endsWith('.json')) return undefined;
    const beside = new URL(url);
    beside.pathname += '.sig';
    const answer = await this.#get(beside, {});
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw fromProblem(readProblem(asUpstreamAnswer(answer)));
    return answer.body.toString('latin1');
  }
}

/** The provider's published signing keys (RFC 7517). Throws ToolError. */
export async function fetchKeys({ keysUrl }: Provider, fetcher: HttpFetcher): Promise<readonly PublicKey[]> {
  const answer = await fetcher.get(keysUrl, {});
  if (answer.status !== 200) throw fromProblem(readProblem(asUpstreamAnswer(answer)));
  try {
    return readPublicKeys(JSON.parse(answer.body.toString('utf8')));
  } catch (error) {
    throw new UpstreamError('Key set invalid: it is not JSON', { code: 'invalid_keys', cause: error });
  }
}
