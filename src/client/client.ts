import type { Arguments } from '../core/index.js';
import { EgressPolicy } from '../protocols/egress.js';
import { createProtocols, type ProtocolRegistry } from '../protocols/registry.js';
import { createTlsProfile } from '../protocols/tls.js';
import { createSchemaCompiler } from '../schema/index.js';
import { toPublicKey } from '../signing/index.js';
import { ToolDirectory } from './directory.js';
import { Discovery, fetchKeys } from './discovery.js';
import { NotFoundError, ToolError } from './errors.js';
import { HttpFetcher } from './http.js';
import type { ServedManual } from './manual.js';
import { type CallOptions, type ClientOptions, defaults, type SearchOptions, type StreamChunk } from './options.js';
import { createPinStore } from './pins.js';
import { locateProvider, type Provider } from './provider.js';
import { createSettings, describeCredential } from './settings.js';
import { ManualGuard } from './signature.js';
import { createAuthorizer } from './token.js';
import type { BoundTool } from './tool.js';
import { GivenVariables } from './variables.js';

/** A client of one provider: its manual, or one of its manuals. */
export interface Client {
  /** Fetches the manual, or confirms by its ETag that it has not changed. Throws ToolError. */
  discover(): Promise<ServedManual>;
  /** A manual of the tools that fit a task best, best first, as the provider ranks them. Throws ToolError. */
  search(query: string, options?: SearchOptions): Promise<ServedManual>;
  /**
   * Calls a tool, by its name with or without `manual.` before it, and gives its result. The arguments are checked
   * against the tool's schema before anything is sent. Throws ToolError.
   */
  call(tool: string, args?: Arguments, options?: CallOptions): Promise<unknown>;
  /** Calls a tool and gives its results as they come. Ending the loop ends the call. Throws ToolError. */
  stream(tool: string, args?: Arguments, options?: CallOptions): AsyncGenerator<StreamChunk, void, undefined>;
  /** Accepts the changed manual that ManualChangedError named by `digest`. Throws ToolError when it named another. */
  acceptChange(digest: string): void;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Makes a client; nothing is fetched yet. Throws ToolError or LoadError for options that cannot be used. */
export function createClient(options: ClientOptions): Client {
  return new ManualClient(options);
}

class ManualClient implements Client {
  readonly #provider: Provider;
  readonly #fetcher: HttpFetcher;
  readonly #protocols: ProtocolRegistry;
  readonly #discovery: Discovery;
  readonly #guard: ManualGuard;
  readonly #tools: ToolDirectory;
  #discovering: Promise<ServedManual> | undefined;

  constructor(options: ClientOptions) {
    const {
      timeout_ms = defaults.timeout_ms,
      retries = defaults.retries,
      max_wait_ms = defaults.max_wait_ms,
    } = options;
    this.#provider = locateProvider(options);
    const settings = createSettings(options, this.#provider);
    this.#fetcher = new HttpFetcher(
      new EgressPolicy(settings.allow_private_hosts),
      createTlsProfile(settings.tls, process.cwd()),
      { timeout_ms, max_bytes: defaults.max_manual_bytes },
    );
    this.#protocols = createProtocols({ report: () => undefined });
    this.#guard = createGuard(options, this.#provider, this.#fetcher);
    this.#discovery = new Discovery({
      provider: this.#provider,
      fetcher: this.#fetcher,
      authorizer: createAuthorizer(options.credential, this.#provider, this.#fetcher),
      guard: this.#guard,
      timeout_ms,
      retries,
      max_wait_ms,
    });
    this.#tools = new ToolDirectory({
      provider: this.#provider,
      protocols: this.#protocols,
      schemas: createSchemaCompiler(),
      variables: new GivenVariables(options.variables ?? {}, this.#provider.namespace),
      settings,
      auth: describeCredential(options.credential, this.#provider),
      allowed_protocols: options.allowed_protocols ?? defaults.allowed_protocols,
      timeout_ms,
      retries,
      max_wait_ms,
    });
  }

  async discover(): Promise<ServedManual> {
    this.#discovering ??= this.#discovery.fetch({}).finally(() => {
      this.#discovering = undefined;
    });
    const manual = await this.#discovering;
    this.#tools.replaceAll(manual.tools);
    return manual;
  }

  async search(query: string, { tag, limit }: SearchOptions = {}): Promise<ServedManual> {
    const manual = await this.#discovery.fetch({
      ...(query !== '' && { q: query }),
      ...(tag !== undefined && { tag }),
      ...(limit !== undefined && { limit: String(limit) }),
    });
    this.#tools.add(manual.tools);
    return manual;
  }

  async call(tool: string, args: Arguments = {}, options: CallOptions = {}): Promise<unknown> {
    return (await this.#resolve(tool)).call(args, options);
  }

  async *stream(
    tool: string,
    args: Arguments = {},
    options: CallOptions = {},
  ): AsyncGenerator<StreamChunk, void, undefined> {
    yield* this.#tools.findStreaming(await this.#resolve(tool)).stream(args, options);
  }

  acceptChange(digest: string): void {
    this.#guard.accept(digest);
    this.#discovery.forget();
  }

  async close(): Promise<void> {
    await Promise.all([this.#fetcher.close(), this.#protocols.close()]);
  }

  async #resolve(name: string): Promise<BoundTool> {
    const known = this.#tools.find(name);
    if (known) return known;
    await this.discover();
    const found = this.#tools.find(name);
    if (found) return found;
    throw new NotFoundError('Not found: the manual has no such tool', { code: 'not_found' });
  }
}

function createGuard(options: ClientOptions, provider: Provider, fetcher: HttpFetcher): ManualGuard {
  const keys = (options.provider_keys ?? []).map((jwk) => {
    const key = toPublicKey(jwk);
    if (key) return key;
    throw new ToolError('Invalid option: a provider key is no public Ed25519 or P-256 JWK', { code: 'invalid_key' });
  });
  return new ManualGuard({
    provider: provider.id,
    store: createPinStore(options.pin_file),
    provider_keys: keys,
    new_tools: options.new_tools ?? 'pin',
    accept: options.accept,
    loadKeys: () => fetchKeys(provider, fetcher),
  });
}
