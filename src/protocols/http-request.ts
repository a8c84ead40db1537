import { type Arguments, type CallScope, GatehouseError, LoadError } from '../core/index.js';
import { type CompiledText, type CompileOptions, compileText, refuseArgument } from '../variables/index.js';
import { bindUpstream, checkUrl, type GuardedUpstream, type UrlKind } from './egress.js';
import { compileAuth, type TokenGrant } from './http-auth.js';
import { type BodyPlan, planBody } from './http-body.js';
import { HeaderPlan, type RequestDefaults } from './http-headers.js';
import { QueryPlan } from './http-query.js';
import type { RequestTemplate } from './http-template.js';
import type { ToolBinding } from './protocol.js';

/** A request ready to send to the plan's upstream, whose guard it has passed. */
export interface RenderedRequest {
  readonly method: RequestTemplate['http_method'];
  /** Path and query of the URL that was checked. */
  readonly path: string;
  /** Names and values in turn, as undici takes them. Without the token of an OAuth grant. */
  readonly headers: string[];
  readonly body: string | null;
}

/** A template compiled to the shortest way from arguments to a request. */
export class RequestPlan {
  readonly upstream: GuardedUpstream;
  readonly method: RequestTemplate['http_method'];
  readonly grant: TokenGrant | undefined;
  readonly #origin: string;
  readonly #prefix: string;
  readonly #path: CompiledText;
  readonly #query: QueryPlan;
  readonly #headers: HeaderPlan;
  readonly #body: BodyPlan | undefined;
  readonly #kind: UrlKind;
  /** Path and query of the one URL that a template without arguments in it has, once it has been checked. */
  #constantPath: string | undefined;
  /** Names of the arguments that have a place in the request of their own. */
  readonly placed: ReadonlySet<string>;

  /** Throws LoadError for anything in the template that can't be sent, or should not be. */
  constructor(template: RequestTemplate, binding: ToolBinding, defaults: RequestDefaults) {
    const url = splitUrl(template.url);
    const options = textOptions(binding, 'url');
    const base = compileBase(url.base, options);
    this.#kind = defaults.kind ?? 'http';
    const guard = { kind: this.#kind, verify_ssl: template.verify_ssl, pointer: options.pointer };
    const credentials = compileAuth(template.auth, binding);
    this.upstream = bindUpstream(base, guard, binding);
    this.method = template.http_method;
    this.grant = credentials.grant;
    this.#origin = this.upstream.url.origin;
    this.#prefix = this.#origin + this.upstream.url.pathname.replace(/\/$/, '');
    this.#path = compileText(url.path, { ...options, context: 'url_path' });
    this.#query = new QueryPlan(url.query, credentials.query, binding, defaults.rest_in_query);
    this.#headers = new HeaderPlan(template, credentials, binding, defaults);
    this.#body = planBody(template, binding);
    this.placed = new Set([
      ...this.#path.arguments,
      ...this.#query.arguments,
      ...this.#headers.arguments,
      ...(this.#body ? [this.#body.field] : []),
    ]);
    this.#query.checkInputs(binding.inputs, this.placed, binding);
  }

  /** Throws GatehouseError `invalid_input` for arguments that can't be sent, `upstream_failed` for a refused URL. */
  render(args: Arguments, scope: CallScope): RenderedRequest {
    const path = this.#renderPath(args, scope);
    const headers = this.#headers.render(args, scope);
    const body = this.#body?.render(args, headers) ?? null;
    return { method: this.method, path, headers, body };
  }

  #renderPath(args: Arguments, scope: CallScope): string {
    const query = this.#query.render(args, this.placed);
    const { constant } = this.#path;
    if (constant === undefined || query !== this.#query.constant) {
      return this.#checkPath((this.#path.render(args, scope) ?? this.#refuseMissing(args)) + query);
    }
    this.#constantPath ??= this.#checkPath(constant + query);
    return this.#constantPath;
  }

  #checkPath(path: string): string {
    const url = new URL(this.#prefix + path);
    this.checkFinalUrl(url);
    return url.pathname + url.search;
  }

  /**
   * Guards the final URL of a call or of a redirect. Only the origin that passed at load passes here: a policy never
   * changes, so its verdict on that origin still holds, and every other origin is refused with the guard's reason.
   */
  checkFinalUrl(url: URL): void {
    if (url.origin === this.#origin && url.username === '' && url.password === '') return;
    checkUrl(url, this.upstream.policy, this.#kind);
    throw new GatehouseError('upstream_failed', { reason: 'redirect_refused', internal: 'The URL leaves its origin.' });
  }

  #refuseMissing(args: Arguments): never {
    const missing = [...this.#path.arguments].find((name) => args[name] === undefined) ?? '';
    throw refuseArgument(missing, 'is missing that the URL needs');
  }
}

function textOptions(binding: ToolBinding, field: string): Omit<CompileOptions, 'context'> {
  const { file, inputs, variables } = binding;
  return { file, inputs, variables, pointer: `${binding.pointer}/${field}` };
}

// Scheme, host and port are split off before anything is put in, so no value can move their end.
function splitUrl(text: string): { readonly base: string; readonly path: string; readonly query: string } {
  const [whole = ''] = text.split('#', 1);
  const base = /^[^/?]*(?:\/\/[^/?]*)?/.exec(whole)?.[0] ?? '';
  const rest = whole.slice(base.length);
  const mark = rest.indexOf('?');
  return mark < 0 ? { base, path: rest, query: '' } : { base, path: rest.slice(0, mark), query: rest.slice(mark + 1) };
}

function compileBase(text: string, options: Omit<CompileOptions, 'context'>): string {
  const { constant } = compileText(text, { ...options, context: 'url_base' });
  const problem =
    constant === undefined
      ? 'An argument stands in the scheme, host or port, where a caller would choose who gets the credentials.'
      : /[?#]/.test(constant)
        ? 'The variable that holds the origin holds a query or a fragment too.'
        : undefined;
  if (constant !== undefined && !problem) return constant;
  const mend = 'Write scheme, host and port out, or hold them in a variable of their own.';
  throw LoadError.of({
    rule: 'url-origin-open',
    file: options.file,
    pointer: options.pointer,
    message: problem ?? '',
    mend,
  });
}
