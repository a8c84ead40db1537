import { z } from 'zod';
import { signingAlgorithms } from './token-form.js';

export const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'Expected a SHA-256 digest in 64 hexadecimal digits')
  .toLowerCase();
export const instant = z.iso.datetime({
  offset: true,
  error: 'Expected a time with its zone, such as 2027-01-31T00:00:00Z',
});

const apiKey = z.strictObject({
  sha256: sha256Hex.describe('SHA-256 of the key in hexadecimal; the key itself is nowhere.'),
  not_before: instant.optional().describe('ISO 8601 time from which the key is good.'),
  expires_at: instant.optional().describe('ISO 8601 time at which it ends.'),
});

/** Which client certificate names the caller; with both members a certificate has to fit both. */
const certificate = z
  .strictObject({
    san: z
      .string()
      .regex(/^(DNS|URI|email):\S+$/, 'an alternative name as DNS:…, URI:… or email:…')
      .optional()
      .describe('An alternative name of the client certificate, whole: `DNS:…`, `URI:…` or `email:…`.'),
    sha256: z
      .string()
      .transform((text) => text.replaceAll(':', ''))
      .pipe(sha256Hex)
      .optional()
      .describe('Its SHA-256 fingerprint, as openssl prints it.'),
  })
  .refine((value) => value.san !== undefined || value.sha256 !== undefined, 'san, sha256 or both');

/** A configured caller. */
export const callerSchema = z.strictObject({
  id: z
    .string()
    .min(1)
    .max(200)
    .describe('What policy and log call this caller; a JWT whose `sub` equals it has the caller’s roles.'),
  roles: z.array(z.string()).default([]).describe('Roles of `policy.roles`.'),
  scopes: z.array(z.string()).optional().describe('Narrows what the roles grant. Absent: API keys are not narrowed.'),
  claims: z
    .record(z.string(), z.json())
    .default({})
    .describe('What CEL conditions see as `caller.claims` when a key, not a token, was presented.'),
  api_keys: z.strictObject({ current: apiKey.optional(), next: apiKey.optional() }).optional(),
  oauth_client: z
    .strictObject({
      client_id: z.string().min(1).describe('What it names itself at `POST /oauth/token`.'),
      secret_sha256: sha256Hex.describe('SHA-256 of its secret in hexadecimal.'),
      scopes: z.array(z.string()).min(1).describe('The scopes that it may ask for, and gets when it asks for none.'),
    })
    .optional(),
  certificate: certificate.optional(),
});
export type CallerConfig = z.infer<typeof callerSchema>;

/** How a token's claims become a principal. */
const subjectMapping = {
  roles_claim: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The claim that names roles: its name, or a JSON pointer when it begins with `/` (`/realm_access/roles`).',
    ),
  roles_map: z
    .record(z.string(), z.array(z.string()).min(1))
    .default({})
    .describe('What a value of that claim (a group, say) grants; a value that is a role’s own name needs no entry.'),
  subject_prefix: z
    .string()
    .max(100)
    .default('')
    .describe('Put before `sub` to make the caller’s id, so that two issuers cannot name one caller.'),
};

/** One JWT issuer: a key set by URL, or a shared secret by variable. */
export const jwtIssuerSchema = z
  .strictObject({
    issuer: z.string().min(1).describe('The token’s `iss`, exactly.'),
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .describe('What the token must be meant for (RFC 8707); one of a list suffices.'),
    jwks_uri: z.url().optional().describe('Where the issuer’s key set is. Either this or `secret_variable`.'),
    secret_variable: z
      .string()
      .min(1)
      .optional()
      .describe('Names the variable that holds the shared secret; goes with HS256 alone.'),
    algorithms: z
      .array(z.enum(signingAlgorithms))
      .min(1)
      .describe('Signature algorithms that are taken; there is no default.'),
    token_type: z
      .enum(['any', 'at+jwt'])
      .default('any')
      .describe(
        '`at+jwt` takes RFC 9068 access tokens alone, so that an identity token of the same provider is refused.',
      ),
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
  max_age_s: z
    .int()
    .min(10)
    .max(86_400)
    .default(600)
    .describe('Seconds after which a key set is refreshed in the background.'),
  min_refresh_s: z
    .int()
    .min(1)
    .max(3600)
    .default(15)
    .describe('Seconds between two requests to one provider, whatever tokens arrive.'),
  max_stale_s: z
    .int()
    .min(0)
    .max(604_800)
    .default(3600)
    .describe('Seconds that a set stays good while the provider does not answer; then its tokens are refused.'),
  timeout_ms: z.int().min(100).max(30_000).default(5000).describe('Milliseconds for one request to the provider.'),
  max_bytes: z.int().min(1024).max(4_194_304).default(262_144).describe('Whole bytes of its answer.'),
});
export type KeySetConfig = z.infer<typeof keySetSchema>;

/** The built-in token issuer's signing keys: in memory by default, in a file where replicas share them. */
export const tokenIssuerSchema = z.strictObject({
  algorithm: z.enum(['ES256', 'EdDSA']).default('ES256').describe('What the built-in issuer signs with.'),
  key_file: z
    .string()
    .min(1)
    .optional()
    .describe('Where its keys are kept, so that replicas share them. Absent: in memory.'),
  rotation_s: z.int().min(60).max(31_536_000).default(86_400).describe('Seconds between two signing keys.'),
});
export type TokenIssuerConfig = z.infer<typeof tokenIssuerSchema>;

/** RFC 7662: where opaque tokens are asked about. */
export const introspectionSchema = z.strictObject({
  endpoint: z.url().describe('Where opaque tokens are asked about (RFC 7662).'),
  client_id: z.string().min(1).describe('How this server names itself there.'),
  secret_variable: z.string().min(1).describe('Names the variable that holds its secret there.'),
  issuer: z.string().min(1).optional().describe('When given, an answer has to carry it.'),
  audience: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe('When given, an answer has to carry one of them.'),
  max_cache_s: z
    .int()
    .min(0)
    .max(3600)
    .default(60)
    .describe('Seconds that an answer is believed at most; never beyond the token’s `exp`.'),
  max_concurrent: z.int().min(1).max(1000).default(32).describe('Requests under way at once.'),
  timeout_ms: z.int().min(100).max(30_000).default(5000).describe('Milliseconds for one request.'),
  max_bytes: z.int().min(1024).max(1_048_576).default(16_384).describe('Whole bytes of an answer.'),
  subject_claim: z
    .string()
    .min(1)
    .default('sub')
    .describe('Which member of the answer is the subject; `client_id` for providers that give client tokens no `sub`.'),
  ...subjectMapping,
});
export type IntrospectionConfig = z.infer<typeof introspectionSchema>;

export const authSchema = z.strictObject({
  jwt: z.array(jwtIssuerSchema).default([]),
  key_sets: keySetSchema.prefault({}),
  clock_tolerance_s: z.int().min(0).max(300).default(5).describe('Seconds that a token’s clock may be off.'),
  issuer: tokenIssuerSchema.prefault({}),
  token_lifetime_s: z.int().min(30).max(86_400).default(900).describe('Seconds that a token of this server is good.'),
  introspection: introspectionSchema.optional(),
  keys_file: z
    .string()
    .min(1)
    .optional()
    .describe('The file that `gatehouse keys` edits: API keys by caller, and what is revoked.'),
  allow_private_hosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Identity providers on private or loopback addresses, by host.'),
  tls: z
    .strictObject({
      ca_file: z.string().min(1).optional().describe('PEM file with the authorities of identity providers.'),
    })
    .default({}),
});
export type AuthConfig = z.infer<typeof authSchema>;
