import { isJsonObject, type JsonObject } from '../core/index.js';
import type { IntrospectionConfig } from './config.js';
import type { AuthFailureReason, CredentialVerdict, CredentialVerifier, PresentedCredential } from './credential.js';
import { digestCredential } from './digest.js';
import { askProvider, type FetchJson } from './fetch-json.js';
import { readBinding } from './jwt.js';
import { secretPrefix } from './secret.js';
import type { SubjectMapper } from './subject.js';
import { looksLikeToken } from './token-form.js';

export interface IntrospectionOptions {
  readonly config: IntrospectionConfig;
  readonly client_secret: string;
  readonly subjects: SubjectMapper;
  readonly fetch_json: FetchJson;
  readonly clock_tolerance_ms: number;
  readonly now?: () => number;
}

const notMine: CredentialVerdict = { kind: 'not_mine' };

/**
 * Opaque bearer tokens by RFC 7662. The provider is asked once for requests that come together with one token, and by
 * at most `max_concurrent` requests at a time; whoever comes beyond that is refused. A token in the form of this
 * server's own keys, or of a JWT, is never sent there.
 */
export class IntrospectionVerifier implements CredentialVerifier {
  readonly kind = 'introspection';
  readonly costly = true;
  readonly #options: IntrospectionOptions;
  readonly #now: () => number;
  readonly #authorization: string;
  readonly #pending = new Map<string, Promise<CredentialVerdict>>();

  constructor(options: IntrospectionOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // RFC 6749 section 2.3.1: both halves form-encoded.
    const pair = [options.config.client_id, options.client_secret].map(encodeForm).join(':');
    this.#authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  verify({ token, transport }: PresentedCredential): CredentialVerdict | Promise<CredentialVerdict> {
    if (token === undefined || transport !== 'bearer') return notMine;
    if (token.startsWith(secretPrefix) || looksLikeToken(token)) return notMine;
    const digest = digestCredential(token);
    const pending = this.#pending.get(digest);
    if (pending) return pending;
    if (this.#pending.size >= this.#options.config.max_concurrent) return reject('issuer_unavailable');
    const asked = this.#ask(token, digest).finally(() => this.#pending.delete(digest));
    this.#pending.set(digest, asked);
    return asked;
  }

  async #ask(token: string, digest: string): Promise<CredentialVerdict> {
    const { config, fetch_json } = this.#options;
    const answer = await askProvider(fetch_json, {
      url: config.endpoint,
      method: 'POST',
      headers: {
        accept: 'application/json',
        authorization: this.#authorization,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      timeout_ms: config.timeout_ms,
      max_bytes: config.max_bytes,
    });
    if (!isJsonObject(answer) || typeof answer.active !== 'boolean') return reject('issuer_unavailable');
    return answer.active ? this.#accept(answer, digest) : reject('token_inactive');
  }

  #accept(claims: JsonObject, digest: string): CredentialVerdict {
    const { config, subjects } = this.#options;
    const now = this.#now();
    const problem = this.#judge(claims, now);
    if (problem) return reject(problem, subjects.claimedCaller(claims));
    const binding = readBinding(claims);
    if (binding === 'unsupported') return reject('token_binding', subjects.claimedCaller(claims));
    const principal = subjects.map(claims, 'introspection', digest);
    if (typeof principal === 'string') return reject(principal);
    const ceiling = now + config.max_cache_s * 1000;
    return {
      kind: 'principal',
      principal,
      expires_at: typeof claims.exp === 'number' ? Math.min(ceiling, claims.exp * 1000) : ceiling,
      ...(typeof claims.jti === 'string' ? { token_id: claims.jti } : {}),
      ...(binding === undefined ? {} : { bound_to: binding.thumbprint }),
    };
  }

  // RFC 7662 section 4: what the server says is active may still be meant for somebody else, or over by our clock.
  #judge(claims: JsonObject, now: number): AuthFailureReason | undefined {
    const { config, clock_tolerance_ms } = this.#options;
    const { exp, nbf, iss, aud, token_type } = claims;
    if ([exp, nbf].some((date) => date !== undefined && typeof date !== 'number')) return 'token_claims';
    if (typeof exp === 'number' && now >= exp * 1000 + clock_tolerance_ms) return 'token_expired';
    if (typeof nbf === 'number' && now < nbf * 1000 - clock_tolerance_ms) return 'token_not_yet_valid';
    if (config.issuer !== undefined && iss !== config.issuer) return 'token_issuer';
    if (config.audience !== undefined && !listOf(config.audience).some((ours) => listOf(aud).includes(ours))) {
      return 'token_audience';
    }
    if (token_type !== undefined && String(token_type).toLowerCase() !== 'bearer') return 'token_type';
    return undefined;
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function encodeForm(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

function reject(reason: AuthFailureReason, claimed?: string): CredentialVerdict {
  return { kind: 'rejected', reason, ...(claimed === undefined ? {} : { claimed }) };
}
