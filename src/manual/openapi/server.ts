import { isJsonObject, type JsonObject } from '../../core/index.js';
import type { Dialect, Operation } from './operation.js';
import { listOf, objectOf, textOf } from './value.js';

/** Where an operation's base URL comes from. */
export interface ServerOptions {
  readonly root: JsonObject;
  readonly dialect: Dialect;
  /** Replaces every server of the document. */
  readonly base_url: string | undefined;
  /** The URL that the document itself came from, for relative servers. */
  readonly source_url: string | undefined;
}

/** A base URL, or why there is none. */
export type ServerChoice =
  | { readonly url: string; readonly replaced: boolean }
  | { readonly problem: string; readonly mend: string };

/** The base URL of an operation: its own servers, the path's, the document's; no slash at its end. */
export function chooseServer({ item, value }: Operation, options: ServerOptions): ServerChoice {
  const own = [value.servers, item.servers].map(listOf).find((servers) => servers.length > 0);
  if (options.base_url !== undefined) return finish(options.base_url, undefined, own !== undefined);
  if (options.dialect === '2.0') return finish(serverOfVersion2(value, options), options.source_url, false);
  const servers = own ?? listOf(options.root.servers);
  return finish(chooseUrl(servers) ?? '/', options.source_url, false);
}

// The first is the author's choice; its plain-http form gives way to an https one of the same host.
function chooseUrl(servers: readonly JsonObject[string][]): string | undefined {
  const urls = servers.filter(isJsonObject).map(fillVariables);
  const [first] = urls;
  if (first === undefined || !first.startsWith('http://')) return first;
  const secure = first.replace(/^http:/, 'https:');
  return urls.includes(secure) ? secure : first;
}

function fillVariables(server: JsonObject): string {
  const variables = objectOf(server.variables);
  return (textOf(server.url) ?? '/').replace(/\{([^{}]+)\}/g, (placeholder: string, name: string) => {
    const variable = objectOf(variables[name]);
    const value = variable.default ?? listOf(variable.enum)[0];
    return value === undefined ? placeholder : String(value);
  });
}

function serverOfVersion2(operation: JsonObject, { root, source_url: source }: ServerOptions): string {
  const [own, all] = [listOf(operation.schemes), listOf(root.schemes)];
  const schemes = own.length > 0 ? own : all;
  const fallback = source === undefined ? 'https' : new URL(source).protocol.slice(0, -1);
  const scheme = schemes.includes('https') ? 'https' : (textOf(schemes[0]) ?? fallback);
  const host = textOf(root.host) ?? (source === undefined ? undefined : new URL(source).host);
  const path = textOf(root.basePath) ?? '';
  return host === undefined ? path || '/' : `${scheme}://${host}${path}`;
}

function finish(text: string, source: string | undefined, replaced: boolean): ServerChoice {
  if (text.includes('{')) {
    return { problem: 'its server has a variable without a default', mend: 'Set base_url.' };
  }
  const url = URL.canParse(text, source) ? new URL(text, source) : undefined;
  if (!url) return { problem: 'it has no server with a host', mend: 'Add servers to the document, or set base_url.' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { problem: `its server speaks ${url.protocol.slice(0, -1)}`, mend: 'Set base_url to an http(s) address.' };
  }
  if (url.username !== '' || url.password !== '') {
    return { problem: 'its server holds a credential', mend: 'Set base_url without one, and upstream_auth.' };
  }
  return { url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, replaced };
}
