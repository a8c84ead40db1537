/** A client id and secret as a token request presents them. */
export interface ClientCredentials {
  readonly client_id: string;
  readonly client_secret: string;
}

/** A token request taken apart, or the RFC 6749 section 5.2 error that says what is wrong with it. */
export type ParsedTokenRequest =
  | {
      readonly kind: 'request';
      readonly grant_type: string | undefined;
      /** Undefined: not asked for, so all that the client may have. */
      readonly scopes: readonly string[] | undefined;
      readonly resources: readonly string[];
      /** The forms in which the credentials may be meant; the secret of one has to fit. Empty: none came. */
      readonly credentials: readonly ClientCredentials[];
      /** Whether they came as `Authorization: Basic`; the refusal then names that scheme. */
      readonly basic: boolean;
    }
  | { readonly kind: 'malformed'; readonly description: string };

const maxBodyLength = 16_384;
const formType = /^application\/x-www-form-urlencoded *(;|$)/i;
const basic = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;

/**
 * Reads a token request (RFC 6749 sections 2.3.1, 3.2 and 4.4.2). A parameter may come once (section 3.2), `resource`
 * more often (RFC 8707). Credentials may come by Basic or in the body; both at once only when they are the same ones.
 * An empty `scope`, and the `None` that the Python client writes for "not set", count as absent. Never throws.
 */
export function parseTokenRequest(
  contentType: string | undefined,
  body: string,
  authorization: string | undefined,
): ParsedTokenRequest {
  if (!formType.test(contentType ?? '') || body.length > maxBodyLength) {
    return malformed('The body has to be application/x-www-form-urlencoded, of at most 16 KiB.');
  }
  const form = new URLSearchParams(body);
  const names = [...form.keys()].filter((name) => name !== 'resource');
  if (new Set(names).size !== names.length) return malformed('A parameter came twice.');
  const fromHeader = authorization === undefined ? [] : parseBasic(authorization);
  if (fromHeader === undefined) return malformed('The Authorization header is not of the Basic scheme.');
  const fromBody = readBodyCredentials(form);
  if (fromHeader.length > 0 && fromBody && !fromHeader.some((pair) => isSame(pair, fromBody, form))) {
    return malformed('Two different client credentials came.');
  }
  return {
    kind: 'request',
    grant_type: form.get('grant_type') ?? undefined,
    scopes: readScopeParameter(form.get('scope')),
    resources: form.getAll('resource'),
    credentials: fromHeader.length > 0 ? fromHeader : fromBody ? [fromBody] : [],
    basic: fromHeader.length > 0,
  };
}

// A body may name the client beside Basic credentials; then the secret is in the header alone.
function isSame(pair: ClientCredentials, body: ClientCredentials, form: URLSearchParams): boolean {
  return pair.client_id === body.client_id && (!form.has('client_secret') || pair.client_secret === body.client_secret);
}

function readBodyCredentials(form: URLSearchParams): ClientCredentials | undefined {
  const id = form.get('client_id');
  return id === null || id === '' ? undefined : { client_id: id, client_secret: form.get('client_secret') ?? '' };
}

// Section 2.3.1 has both halves form-encoded; many clients leave that out, so both readings are tried.
function parseBasic(authorization: string): readonly ClientCredentials[] | undefined {
  const encoded = basic.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  const plain = { client_id: text.slice(0, colon), client_secret: text.slice(colon + 1) };
  const decoded = { client_id: decodeForm(plain.client_id), client_secret: decodeForm(plain.client_secret) };
  const same = decoded.client_id === plain.client_id && decoded.client_secret === plain.client_secret;
  return same ? [plain] : [plain, decoded];
}

function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    // Not form-encoded at all.
    return text;
  }
}

function readScopeParameter(value: string | null): readonly string[] | undefined {
  if (value === null || value === 'None') return undefined;
  const scopes = value.split(' ').filter((scope) => scope !== '');
  return scopes.length === 0 ? undefined : scopes;
}

function malformed(description: string): ParsedTokenRequest {
  return { kind: 'malformed', description };
}
