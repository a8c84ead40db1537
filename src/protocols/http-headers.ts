import { type Arguments, type CallScope, LoadError, toPointer } from '../core/index.js';
import { type CompiledText, compileText, encodeArgument } from '../variables/index.js';
import type { UrlKind } from './egress.js';
import type { UpstreamCredentials } from './http-auth.js';
import { refuseConnectionHeader } from './http-reserved.js';
import type { RequestTemplate } from './http-template.js';
import type { ToolBinding } from './protocol.js';

/** What a protocol's requests have in common where the template says nothing. */
export interface RequestDefaults {
  readonly accept: string;
  /** Which schemes the URL may have; `http` when absent. */
  readonly kind?: UrlKind;
  /** False where arguments without a place of their own stay out of the query: a websocket has a message for them. */
  readonly rest_in_query?: boolean;
}

const userAgent = 'utcp-gatehouse';

interface OpenHeader {
  readonly name: string;
  readonly argument: string | undefined;
  readonly text: CompiledText | undefined;
}

/** The headers of a template: those that never change in one list, the others behind it. */
export class HeaderPlan {
  readonly #fixed: readonly string[];
  readonly #open: readonly OpenHeader[];
  readonly #sendsRequestId: boolean;
  readonly #sendsTrace: boolean;
  readonly arguments: ReadonlySet<string>;

  constructor(
    template: RequestTemplate,
    credentials: UpstreamCredentials,
    binding: ToolBinding,
    defaults: RequestDefaults,
  ) {
    const authored = compileHeaders(template, credentials, binding);
    const fields = (template.header_fields ?? []).map((name) => readHeaderField(name, authored, credentials, binding));
    const taken = new Set(fields.map((field) => field.name.toLowerCase()));
    const texts = [...authored].filter(([key]) => !taken.has(key)).map(([, header]) => header);
    const fixed = texts.flatMap(({ name, text }) => (text?.constant === undefined ? [] : [name, text.constant]));
    const isSet = (name: string) => authored.has(name) || taken.has(name);
    if (!isSet('accept')) fixed.push('accept', defaults.accept);
    if (!isSet('user-agent')) fixed.push('user-agent', userAgent);
    if (credentials.header) fixed.push(...credentials.header);
    if (credentials.cookie) fixed.push('cookie', credentials.cookie);
    this.#fixed = fixed;
    this.#open = [...texts.filter(({ text }) => text?.constant === undefined), ...fields];
    this.#sendsRequestId = !isSet('x-request-id');
    this.#sendsTrace = !isSet('traceparent');
    this.arguments = new Set([
      ...(template.header_fields ?? []),
      ...texts.flatMap(({ text }) => [...(text?.arguments ?? [])]),
    ]);
  }

  render(args: Arguments, scope: CallScope): string[] {
    const headers = this.#fixed.slice();
    for (const { name, argument, text } of this.#open) {
      const given = argument !== undefined && Object.hasOwn(args, argument) ? args[argument] : undefined;
      const value =
        given === undefined || given === null ? text?.render(args, scope) : encodeArgument(name, given, 'header');
      if (value !== undefined) headers.push(name, value);
    }
    if (this.#sendsRequestId) headers.push('x-request-id', scope.request_id);
    if (this.#sendsTrace && scope.traceparent !== undefined) {
      headers.push('traceparent', scope.traceparent);
      if (scope.tracestate !== undefined) headers.push('tracestate', scope.tracestate);
    }
    return headers;
  }
}

// The credential's own header wins over an authored one of the same name.
function compileHeaders(
  template: RequestTemplate,
  credentials: UpstreamCredentials,
  binding: ToolBinding,
): ReadonlyMap<string, OpenHeader> {
  const compiled = new Map<string, OpenHeader>();
  for (const [name, text] of Object.entries(template.headers ?? {})) {
    const place = { file: binding.file, pointer: binding.pointer + toPointer('headers', name) };
    refuseConnectionHeader(name, place);
    if (isCredentialHeader(name, credentials)) continue;
    compiled.set(name.toLowerCase(), {
      name,
      argument: undefined,
      text: compileText(text, { ...place, inputs: binding.inputs, variables: binding.variables, context: 'header' }),
    });
  }
  return compiled;
}

function readHeaderField(
  name: string,
  authored: ReadonlyMap<string, OpenHeader>,
  credentials: UpstreamCredentials,
  binding: ToolBinding,
): OpenHeader {
  const place = { file: binding.file, pointer: `${binding.pointer}/header_fields` };
  refuseConnectionHeader(name, place);
  if (isCredentialHeader(name, credentials) || name.toLowerCase() === 'content-type') {
    throw LoadError.of({
      rule: 'header-reserved',
      ...place,
      message: `${name} is the template's to say, not a caller's.`,
      mend: 'Take it out of header_fields.',
    });
  }
  return { name, argument: name, text: authored.get(name.toLowerCase())?.text };
}

function isCredentialHeader(name: string, credentials: UpstreamCredentials): boolean {
  const own = credentials.grant
    ? 'authorization'
    : credentials.cookie
      ? 'cookie'
      : credentials.header?.[0].toLowerCase();
  return name.toLowerCase() === own;
}
