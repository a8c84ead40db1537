import type { JsonObject, Principal } from '../core/index.js';
import type { AuthFailureReason, CredentialVerdict, CredentialVerifier, PresentedCredential } from './credential.js';
import { digestCredential } from './digest.js';
import type { JwtVerify } from './jwt-verify.js';
import type { KeyAnswer, KeySource } from './key-source.js';
import { looksLikeToken, parseToken, type SigningAlgorithm, type TokenForm } from './token-form.js';

/** An issuer whose tokens are believed: a configured identity provider, or this server's own token endpoint. */
export interface TrustedIssuer {
  /** Compared with `iss` whole (RFC 9068 section 4). */
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly SigningAlgorithm[];
  /** Takes `typ: at+jwt` alone. */
  readonly access_tokens_only: boolean;
  readonly keys: KeySource;
  /** Turns verified claims into a principal, or says why not. */
  map(claims: JsonObject, digest: string): Principal | AuthFailureReason;
  /** The configured caller that unverified claims pretend to be, for the failure budget. */
  claimedCaller(claims: JsonObject): string | undefined;
}

export interface JwtVerifierOptions {
  readonly issuers: readonly TrustedIssuer[];
  readonly verify: JwtVerify;
  readonly clock_tolerance_ms: number;
  /** Epoch milliseconds; the library's own clock judges `exp` and `nbf`. */
  readonly now?: () => number;
}

const notMine: CredentialVerdict = { kind: 'not_mine' };
// RFC 9068 section 2.2.
const accessTokenClaims = ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'];
/** The last second that ECMAScript's dates have. */
const latestSecond = 8.64e12;

/**
 * JWTs as bearer tokens: the form first (token-form.ts), then the issuer that `iss` names and only its algorithms and
 * keys, then signature and registered claims by @fastify/jwt, then what RFC 9068, RFC 8705 and RFC 7800 ask beside.
 */
export class JwtVerifier implements CredentialVerifier {
  readonly kind = 'jwt';
  readonly #issuers: readonly TrustedIssuer[];
  readonly #verify: JwtVerify;
  readonly #tolerance_ms: number;
  readonly #now: () => number;

  constructor(options: JwtVerifierOptions) {
    this.#issuers = options.issuers;
    this.#verify = options.verify;
    this.#tolerance_ms = options.clock_tolerance_ms;
    this.#now = options.now ?? Date.now;
  }

  verify(presented: PresentedCredential): CredentialVerdict | Promise<CredentialVerdict> {
    const { token, transport } = presented;
    if (token === undefined || transport !== 'bearer' || !looksLikeToken(token)) return notMine;
    const form = parseToken(token);
    if (typeof form === 'string') return reject(form);
    const { iss } = form.claims;
    const issuer = this.#issuers.find((trusted) => trusted.issuer === iss);
    if (!issuer) return reject('token_issuer');
    if (!issuer.algorithms.includes(form.algorithm)) return this.#reject('token_algorithm', issuer, form);
    if (issuer.access_tokens_only && !form.is_access_token) return this.#reject('token_type', issuer, form);
    const answer = issuer.keys.find(form.key_id, form.algorithm);
    return answer instanceof Promise
      ? answer.then((key) => this.#judge(token, form, issuer, key))
      : this.#judge(token, form, issuer, answer);
  }

  #judge(token: string, form: TokenForm, issuer: TrustedIssuer, answer: KeyAnswer): CredentialVerdict {
    if ('refused' in answer) return this.#reject(answer.refused, issuer, form);
    const problem = checkDates(form.claims);
    if (problem) return this.#reject(problem, issuer, form);
    const claims = this.#verify(token, {
      key: answer.key,
      algorithm: form.algorithm,
      issuer: issuer.issuer,
      audience: issuer.audience,
      clock_tolerance_ms: this.#tolerance_ms,
    });
    if (typeof claims === 'string') return this.#reject(claims, issuer, form);
    return this.#accept(token, form, issuer, claims, answer.remember_until);
  }

  #accept(
    token: string,
    form: TokenForm,
    issuer: TrustedIssuer,
    claims: JsonObject,
    rememberUntil = Number.POSITIVE_INFINITY,
  ): CredentialVerdict {
    const { iat, exp, jti } = claims;
    if (typeof iat === 'number' && iat * 1000 > this.#now() + this.#tolerance_ms) {
      return this.#reject('token_not_yet_valid', issuer, form);
    }
    if (typeof exp !== 'number' || (jti !== undefined && typeof jti !== 'string')) {
      return this.#reject('token_claims', issuer, form);
    }
    if (form.is_access_token && !accessTokenClaims.every((claim) => Object.hasOwn(claims, claim))) {
      return this.#reject('token_claims', issuer, form);
    }
    const binding = readBinding(claims);
    if (binding === 'unsupported') return this.#reject('token_binding', issuer, form);
    const principal = issuer.map(claims, digestCredential(token));
    if (typeof principal === 'string') return this.#reject(principal, issuer, form);
    return {
      kind: 'principal',
      principal,
      expires_at: Math.min(exp * 1000 + this.#tolerance_ms, rememberUntil),
      ...(jti === undefined ? {} : { token_id: jti }),
      ...(binding === undefined ? {} : { bound_to: binding.thumbprint }),
    };
  }

  #reject(reason: AuthFailureReason, issuer: TrustedIssuer, form: TokenForm): CredentialVerdict {
    return reject(reason, issuer.claimedCaller(form.claims));
  }
}

function reject(reason: AuthFailureReason, claimed?: string): CredentialVerdict {
  return { kind: 'rejected', reason, ...(claimed === undefined ? {} : { claimed }) };
}

// The library takes an infinite `exp` and names a mistyped one after its value, so dates are looked at before it.
function checkDates(claims: JsonObject): AuthFailureReason | undefined {
  const dates = [claims.exp, claims.nbf, claims.iat];
  const sound = dates.every(
    (date) => date === undefined || (typeof date === 'number' && Math.abs(date) < latestSecond),
  );
  return sound ? undefined : 'token_claims';
}

/**
 * The confirmation that a token is bound to (RFC 7800): the client certificate of RFC 8705, nothing, or one that this
 * server can't check. A token bound to something unchecked would be a plain bearer token to a thief, so it is refused.
 */
export function readBinding(claims: JsonObject): { readonly thumbprint: string } | 'unsupported' | undefined {
  const { cnf } = claims;
  if (cnf === undefined) return undefined;
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return 'unsupported';
  const [[member, thumbprint] = [], ...others] = Object.entries(cnf);
  if (member !== 'x5t#S256' || typeof thumbprint !== 'string' || others.length > 0) return 'unsupported';
  return { thumbprint };
}
