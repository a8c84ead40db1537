import { LoadError, toPointer } from '../core/index.js';
import { substituteVariables } from '../variables/index.js';
import { bindUpstream, type GuardedUpstream } from './egress.js';
import { refuseConnectionHeader } from './http-reserved.js';
import { headerName, type UpstreamAuth, upstreamAuthSchema } from './http-template.js';
import type { ToolBinding } from './protocol.js';

/** Where and as whom a token is asked for (RFC 6749 section 4.4). */
export interface TokenGrant {
  readonly upstream: GuardedUpstream;
  readonly client_id: string;
  readonly client_secret: string;
  readonly scope: string | undefined;
}

/** Credentials ready to send. Held in memory alone: never logged, served, or put into an error. */
export interface UpstreamCredentials {
  /** At most one header, as `[name, value]`. */
  readonly header?: readonly [string, string];
  readonly query?: readonly [name: string, value: string];
  /** `name=value` of a cookie. */
  readonly cookie?: string;
  readonly grant?: TokenGrant;
}

/**
 * Compiles a template's `auth`, or the manual's `upstream_auth` where the template has none. No argument reaches a
 * credential. A token URL passes the same guard as a call's (GHSA-8cp3-qxj6-px34). Throws LoadError.
 */
export function compileAuth(authored: UpstreamAuth | null | undefined, binding: ToolBinding): UpstreamCredentials {
  const pointer = `${binding.pointer}/auth`;
  if (authored) return compileKind(authored, new CredentialText(binding, pointer));
  if (!binding.settings.upstream_auth) return {};
  const parsed = upstreamAuthSchema.safeParse(binding.settings.upstream_auth);
  if (parsed.success) return compileKind(parsed.data, new CredentialText(binding, ''));
  throw new LoadError(
    parsed.error.issues.map((issue) => ({
      rule: 'upstream-auth-invalid',
      severity: 'error',
      pointer: toPointer('upstream_auth', ...issue.path.map(String)),
      message: `${issue.message}.`,
      mend: 'Write auth_type api_key, basic or oauth2 with its own fields.',
    })),
  );
}

class CredentialText {
  constructor(
    readonly binding: ToolBinding,
    readonly pointer: string,
  ) {}

  read(field: string, text: string, context: 'header' | 'plain' | 'url_base' = 'header'): string {
    const place = { file: this.binding.file, pointer: `${this.pointer}/${field}` };
    const value = substituteVariables(text, { ...place, context, variables: this.binding.variables });
    const unsafe = context === 'header' ? /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/ : /[\0\r\n]/;
    if (!unsafe.test(value)) return value;
    throw this.refuse(field, `${field} holds a character that cannot be sent.`, 'Remove it.');
  }

  refuse(field: string, message: string, mend: string): LoadError {
    const pointer = `${this.pointer}/${field}`;
    return LoadError.of({ rule: 'auth-unusable', file: this.binding.file, pointer, message, mend });
  }
}

function compileKind(auth: UpstreamAuth, text: CredentialText): UpstreamCredentials {
  switch (auth.auth_type) {
    case 'api_key':
      return compileApiKey(auth, text);
    case 'basic':
      return { header: ['Authorization', compileBasic(auth, text)] };
    case 'oauth2':
      return { grant: compileGrant(auth, text) };
  }
}

function compileApiKey(auth: UpstreamAuth & { auth_type: 'api_key' }, text: CredentialText): UpstreamCredentials {
  const value = text.read('api_key', auth.api_key);
  if (auth.location === 'query') return { query: [auth.var_name, value] };
  if (!headerName.safeParse(auth.var_name).success) {
    throw text.refuse('var_name', 'var_name is no header or cookie name.', 'Use letters, digits and hyphens.');
  }
  if (auth.location === 'header') {
    refuseConnectionHeader(auth.var_name, { file: text.binding.file, pointer: `${text.pointer}/var_name` });
    return { header: [auth.var_name, value] };
  }
  // RFC 6265 section 4.1.1: these would end the cookie's value or the cookie.
  if (/[\s",;\\]/.test(value)) throw text.refuse('api_key', 'api_key cannot be a cookie value.', 'Encode it.');
  return { cookie: `${auth.var_name}=${value}` };
}

function compileBasic(auth: UpstreamAuth & { auth_type: 'basic' }, text: CredentialText): string {
  const username = text.read('username', auth.username, 'plain');
  // RFC 7617 section 2: the first colon ends the user name.
  if (username.includes(':')) throw text.refuse('username', 'username holds a colon.', 'Basic allows none there.');
  return `Basic ${encodePair(username, text.read('password', auth.password, 'plain'))}`;
}

function compileGrant(auth: UpstreamAuth & { auth_type: 'oauth2' }, text: CredentialText): TokenGrant {
  const url = text.read('token_url', auth.token_url, 'url_base');
  const place = { kind: 'http', verify_ssl: true, pointer: `${text.pointer}/token_url` } as const;
  return {
    upstream: bindUpstream(url, place, text.binding),
    client_id: text.read('client_id', auth.client_id, 'plain'),
    client_secret: text.read('client_secret', auth.client_secret, 'plain'),
    scope: auth.scope ? text.read('scope', auth.scope, 'plain') : undefined,
  };
}

/** The credentials of HTTP Basic (RFC 7617) in UTF-8. */
export function encodePair(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`, 'utf8').toString('base64');
}
