import { isJsonObject, type JsonObject } from '../core/index.js';
import type { AuthFailureReason } from './credential.js';
import type { SigningAlgorithm } from './token-form.js';

export interface JwtVerifyOptions {
  /** PEM of a public key, or the bytes of a shared secret. */
  readonly key: string | Buffer;
  /** The one algorithm that this key is for. */
  readonly algorithm: SigningAlgorithm;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly clock_tolerance_ms: number;
}

/** Verifies a compact JWS and its registered claims: gives the claims, or why not. */
export type JwtVerify = (token: string, options: JwtVerifyOptions) => JsonObject | AuthFailureReason;

/** The part of @fastify/jwt's verify options that Gatehouse sets. */
export interface FastifyJwtOptions {
  key: string | Buffer;
  algorithms: SigningAlgorithm[];
  allowedIss: string[];
  allowedAud: string[];
  requiredClaims: string[];
  clockTolerance: number;
  cache: false;
}

const reasons: ReadonlyMap<unknown, AuthFailureReason> = new Map([
  ['FAST_JWT_EXPIRED', 'token_expired'],
  ['FAST_JWT_INACTIVE', 'token_not_yet_valid'],
  ['FAST_JWT_INVALID_SIGNATURE', 'token_signature'],
  ['FAST_JWT_MISSING_SIGNATURE', 'token_signature'],
  ['FAST_JWT_VERIFY_ERROR', 'token_signature'],
  ['FAST_JWT_INVALID_ALGORITHM', 'token_algorithm'],
  ['FAST_JWT_INVALID_KEY', 'token_algorithm'],
  // `iss` chose the key and dates were looked at before: what is left to mismatch is the audience.
  ['FAST_JWT_INVALID_CLAIM_VALUE', 'token_audience'],
  ['FAST_JWT_INVALID_CLAIM_TYPE', 'token_claims'],
  ['FAST_JWT_MISSING_REQUIRED_CLAIM', 'token_claims'],
  ['FAST_JWT_INVALID_CRIT_HEADER', 'token_header'],
  ['FAST_JWT_INVALID_PAYLOAD', 'token_malformed'],
  ['FAST_JWT_INVALID_TYPE', 'token_malformed'],
  ['FAST_JWT_MALFORMED', 'token_malformed'],
]);

/**
 * Makes a JwtVerify of @fastify/jwt's `app.jwt.verify`, which only the server knows:
 * `adaptFastifyJwt((token, options) => app.jwt.verify(token, options))`. An error that is none of the library's own
 * codes is thrown on: the request fails with 500, closed.
 */
export function adaptFastifyJwt(verify: (token: string, options: FastifyJwtOptions) => unknown): JwtVerify {
  return (token, { key, algorithm, issuer, audience, clock_tolerance_ms }) => {
    try {
      const claims = verify(token, {
        key,
        algorithms: [algorithm],
        allowedIss: [issuer],
        allowedAud: [...audience],
        requiredClaims: ['iss', 'aud', 'exp', 'sub'],
        clockTolerance: clock_tolerance_ms,
        cache: false,
      });
      return isJsonObject(claims) ? claims : 'token_malformed';
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? reasons.get(error.code) : undefined;
      if (!reason) throw error;
      return reason;
    }
  };
}
