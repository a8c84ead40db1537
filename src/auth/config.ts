import { z } from 'zod';
import { signingAlgorithms } from './token-form.js';

export const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'a SHA-256 digest in 64 hexadecimal digits')
  .toLowerCase();
export const instant = z.iso.datetime({ offset: true });

const apiKey = z.strictObject({
  sha256: sha256Hex,
  not_before: instant.optional(),
  expires_at: instant.optional(),
});

/** Which client certificate names the caller; with both members a certificate has to fit both. */
const certificate = z
  .strictObject({
    /** `DNS:…`, `URI:…` or `email:…`, whole. */
    san: z
      .string()
      .regex(/^(DNS|URI|email):\S+$/, 'an alternative name as DNS:…, URI:… or email:…')
      .optional(),
    /** The certificate's SHA-256 fingerprint, as openssl prints it. */
    sha256: z
      .string()
      .transform((text) => text.replaceAll(':', ''))
      .pipe(sha256Hex)
      .optional(),
  })
  .refine((value) => value.san !== undefined || value.sha256 !== undefined, 'san, sha256 or both');

/** A configured caller. */
export const callerSchema = z.strictObject({
  id: z.string().min(1).max(200),
  roles: z.array(z.string()).default([]),
  /** Narrows what the roles grant; absent: API keys are not narrowed. */
  scopes: z.array(z.string()).optional(),
  claims: z.record(z.string(), z.json()).default({}),
  api_keys: z.strictObject({ current: apiKey.optional(), next: apiKey.optional() }).optional(),
  oauth_client: z
    .strictObject({ client_id: z.string().min(1), secret_sha256: sha256Hex, scopes: z.array(z.string()).min(1) })
    .optional(),
  certificate: certificate.optional(),
});
export type CallerConfig = z.infer<typeof callerSchema>;

/** How a token's claims become a principal. */
const subjectMapping = {
  /** The claim that names roles: its name, or a JSON pointer when it begins with `/` (`/realm_access/roles`). */
  roles_claim: z.string().min(1).optional(),
  /** What a value of that claim (a group, say) grants; a value that is a role's own name needs no entry. */
  roles_map: z.record(z.string(), z.array(z.string()).min(1)).default({}),
  /** Put before `sub` to make the principal's id, so that two issuers cannot name one caller. */
  subject_prefix: z.string().max(100).default(''),
};

/** One JWT issuer: a key set by URL, or a shared secret by variable. */
export const jwtIssuerSchema = z
  .strictObject({
    issuer: z.string().min(1),
    /** RFC 8707: what the token must be meant for; one of them suffices. */
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    jwks_uri: z.url().optional(),
    secret_variable: z.string().min(1).optional(),
    algorithms: z.array(z.enum(signingAlgorithms)).min(1),
    /** `at+jwt` takes RFC 9068 access tokens alone, so an identity token of the same provider is refused. */
    token_type: z.enum(['any', 'at+jwt']).default('any'),
    ...subjectMapping,
  })
  .refine((issuer) => (issuer.jwks_uri === undefined) !== (issuer.secret_variable === undefined), {
    error: 'either jwks_uri or secret_variable',
  })
  // A public key taken for an HMAC secret is the oldest JWT attack: no issuer may have both kinds of algorithm.
  .refine(
    (issuer) => issuer.algorithms.every((name) => (name === 'HS256') === (issuer.secret_variable !== undefined)),
    {
      path: ['algorithms'],
      error: 'HS256 goes with secret_variable alone, every other algorithm with jwks_uri',
    },
  );
export type JwtIssuerConfig = z.infer<typeof jwtIssuerSchema>;

/** How long key sets are kept and how often they are asked for. */
const keySetSchema = z.strictObject({
  /** Refreshed in the background when older. */
  max_age_s: z.int().min(10).max(86_400).default(600),
  /** Between two requests to one provider, whatever tokens arrive. */
  min_refresh_s: z.int().min(1).max(3600).default(15),
  /** How much longer a set stays good while the provider does not answer; then its tokens are refused. */
  max_stale_s: z.int().min(0).max(604_800).default(3600),
  timeout_ms: z.int().min(100).max(30_000).default(5000),
  max_bytes: z.int().min(1024).max(4_194_304).default(262_144),
});
export type KeySetConfig = z.infer<typeof keySetSchema>;

/** The built-in token issuer's signing keys: in memory by default, in a file where replicas share them. */
export const tokenIssuerSchema = z.strictObject({
  algorithm: z.enum(['ES256', 'EdDSA']).default('ES256'),
  key_file: z.string().min(1).optional(),
  rotation_s: z.int().min(60).max(31_536_000).default(86_400),
});
export type TokenIssuerConfig = z.infer<typeof tokenIssuerSchema>;

/** RFC 7662: where opaque tokens are asked about. */
export const introspectionSchema = z.strictObject({
  endpoint: z.url(),
  client_id: z.string().min(1),
  secret_variable: z.string().min(1),
  /** When given, an answer has to carry it. */
  issuer: z.string().min(1).optional(),
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  /** How long an answer is believed at most, in seconds; never beyond the token's `exp`. */
  max_cache_s: z.int().min(0).max(3600).default(60),
  max_concurrent: z.int().min(1).max(1000).default(32),
  timeout_ms: z.int().min(100).max(30_000).default(5000),
  max_bytes: z.int().min(1024).max(1_048_576).default(16_384),
  /** Which member of the answer is the subject; `client_id` for providers that give client tokens no `sub`. */
  subject_claim: z.string().min(1).default('sub'),
  ...subjectMapping,
});
export type IntrospectionConfig = z.infer<typeof introspectionSchema>;

export const authSchema = z.strictObject({
  jwt: z.array(jwtIssuerSchema).default([]),
  key_sets: keySetSchema.prefault({}),
  /** How far a token's clock may be off, in seconds. */
  clock_tolerance_s: z.int().min(0).max(300).default(5),
  issuer: tokenIssuerSchema.prefault({}),
  /** Lifetime of the tokens that this server issues, in seconds. */
  token_lifetime_s: z.int().min(30).max(86_400).default(900),
  introspection: introspectionSchema.optional(),
  /** The file that `gatehouse keys` edits: API keys by caller, and what is revoked. */
  keys_file: z.string().min(1).optional(),
  /** Identity providers on private or loopback addresses have to be named here. */
  allow_private_hosts: z.array(z.string().min(1)).default([]),
  /** Trust in identity providers with a private certificate authority. */
  tls: z.strictObject({ ca_file: z.string().min(1).optional() }).default({}),
});
export type AuthConfig = z.infer<typeof authSchema>;
