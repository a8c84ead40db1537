import { setImmediate } from 'node:timers/promises';
import type { Tool } from '../core/index.js';
import type { Catalog } from './catalog.js';
import { PublishedTools, stringify } from './published-tools.js';
import { type SearchQuery, ToolSearch, type Visibility } from './search/search.js';
import { View } from './view.js';

/** The UTCP line that the served manuals follow. */
export const utcpVersion = '1.1.0';

/** How the served tools say their callers authenticate: a bearer key, or this server's token endpoint. */
export type AuthForm = 'bearer' | 'oauth';

/** What a view is made of; a tool's text is the same in every view of one form. */
export interface ViewContent {
  readonly manual_version: string;
  readonly form: AuthForm;
  readonly tools: readonly Tool[];
  /** A tool's JSON as it stands in the view; several objects with commas between where it has several forms. */
  textOf(tool: Tool): string;
}

export interface PublisherOptions {
  /** Every published URL starts with it; no slash at the end. */
  readonly public_url: string;
  /** Most bytes that built views may hold; the least recently used go. */
  readonly max_cache_bytes: number;
  /** Headers over a view, for example a signature; called once a view. */
  readonly describe?: (content: ViewContent) => Readonly<Record<string, string>>;
  /** Told of each view that was asked for: whether it was built already. */
  readonly on_view?: (known: boolean) => void;
}

/** Builds and keeps the served manuals of one catalog. */
export class Publisher {
  readonly #catalog: Catalog;
  readonly #options: PublisherOptions;
  #published: PublishedTools | undefined;
  readonly #auth: Readonly<Record<AuthForm, string>>;
  readonly #views = new Map<string, View>();
  readonly #search: ToolSearch;
  #bytes = 0;

  constructor(catalog: Catalog, options: PublisherOptions) {
    this.#catalog = catalog;
    this.#options = options;
    this.#search = new ToolSearch(catalog.tools, options.max_cache_bytes);
    this.#auth = {
      bearer: JSON.stringify(bearerAuth),
      oauth: JSON.stringify({ ...oauthAuth, token_url: `${options.public_url}/oauth/token` }),
    };
  }

  /** Does now what the first view would have to wait for. */
  prepare(): PublishedTools {
    this.#published ??= new PublishedTools(this.#catalog.tools, this.#options.public_url);
    return this.#published;
  }

  /** The bytes that all built views hold now. */
  get cached_bytes(): number {
    return this.#bytes;
  }

  /** The view of one manual, or of all when `manual` is undefined; undefined when a named manual shows nothing. */
  view(visibility: Visibility, form: AuthForm, manual: string | undefined): View | undefined {
    const key = `${manual ?? ''}/${form}/${visibility.key}`;
    const known = this.#views.get(key);
    this.#options.on_view?.(known !== undefined);
    if (known) {
      this.#touch(key, known);
      return known;
    }
    const source = manual === undefined ? this.#catalog : this.#catalog.manual(manual);
    const tools = source?.tools.filter((tool) => visibility.isVisible(tool)) ?? [];
    if (manual !== undefined && tools.length === 0) return undefined;
    const view = this.#present(tools, form, (grown) => this.#account(grown));
    this.#views.set(key, view);
    this.#account(view.identity.bytes.length);
    return view;
  }

  /**
   * The tools of a view that a query asks for, as a manual. Not kept: there are more queries than any cache has room for.
   */
  async search(visibility: Visibility, form: AuthForm, manual: string | undefined, query: SearchQuery): Promise<View> {
    return this.#present(await this.#search.find(visibility, manual, query), form, () => undefined);
  }

  #present(tools: readonly Tool[], form: AuthForm, grew: (bytes: number) => void): View {
    const content = this.#contentOf(tools, form);
    return new View(this.#assemble(content), tools.length, this.#options.describe?.(content) ?? {}, grew);
  }

  #contentOf(tools: readonly Tool[], form: AuthForm): ViewContent {
    const [published, auth] = [this.prepare(), this.#auth[form]];
    return {
      manual_version: this.#versionOf(tools),
      form,
      tools,
      textOf: (tool) => published.textOf(tool, auth),
    };
  }

  /**
   * Describes every tool once, a few at a time, so that what `describe` remembers of a tool is there before the first
   * view asks: on one of 100,000 tools a request would wait for seconds.
   */
  async warm(): Promise<void> {
    const { describe } = this.#options;
    const { tools } = this.#catalog;
    for (const form of describe ? (['bearer', 'oauth'] as const) : []) {
      for (let at = 0; at < tools.length; at += warmedAtOnce) {
        describe?.(this.#contentOf(tools.slice(at, at + warmedAtOnce), form));
        await setImmediate(undefined, { ref: false });
      }
    }
  }

  /** A manual of the given tools, in the shape that every official client accepts. */
  assemble(tools: readonly Tool[], form: AuthForm): Buffer {
    return this.#assemble(this.#contentOf(tools, form));
  }

  #assemble({ manual_version, tools, form }: ViewContent): Buffer {
    const version = stringify(manual_version);
    const head = Buffer.from(`{"utcp_version":"${utcpVersion}","manual_version":${version},"tools":[`);
    return Buffer.concat([head, ...this.prepare().piecesOf(tools, this.#auth[form]), Buffer.from(']}')]);
  }

  // Taken from visible manuals alone: a version that moved with an invisible one would tell of it.
  #versionOf(tools: readonly Tool[]): string {
    const names = new Set(tools.map((tool) => tool.manual));
    const versions = this.#catalog.manuals.filter(({ name }) => names.has(name)).map(({ version }) => version);
    return versions.sort(compareVersions).at(-1) ?? '1.0.0';
  }

  #touch(key: string, view: View): void {
    // A short cache is never near its bound; reordering it on every request would be work for nothing.
    if (this.#bytes < this.#options.max_cache_bytes / 2) return;
    this.#views.delete(key);
    this.#views.set(key, view);
  }

  #account(grown: number): void {
    this.#bytes += grown;
    for (const [key, view] of this.#views) {
      if (this.#bytes <= this.#options.max_cache_bytes || this.#views.size === 1) return;
      this.#views.delete(key);
      this.#bytes -= view.size;
    }
  }
}

const warmedAtOnce = 20;

const bearerAuth = { auth_type: 'api_key', api_key: 'Bearer ${TOKEN}', var_name: 'Authorization', location: 'header' };
const oauthAuth = { auth_type: 'oauth2', token_url: '', client_id: '${CLIENT_ID}', client_secret: '${CLIENT_SECRET}' };

function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}
