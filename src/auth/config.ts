import { z } from 'zod';

const sha256Hex = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'a SHA-256 digest in 64 hexadecimal digits')
  .toLowerCase();
const instant = z.iso.datetime({ offset: true });

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

const algorithm = z.enum(['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA']);

/** One JWT issuer: a key set by URL, or a shared secret by variable. */
export const jwtIssuerSchema = z.strictObject({
  issuer: z.string().min(1),
  audience: z.union([z.string(), z.array(z.string()).min(1)]),
  jwks_uri: z.string().optional(),
  secret_variable: z.string().optional(),
  algorithms: z.array(algorithm).min(1),
  roles_claim: z.string().optional(),
});
export type JwtIssuerConfig = z.infer<typeof jwtIssuerSchema>;

export const authSchema = z.strictObject({
  jwt: z.array(jwtIssuerSchema).default([]),
  /** Lifetime of the tokens that this server issues, in seconds. */
  token_lifetime_s: z.int().min(30).max(86_400).default(900),
});
export type AuthConfig = z.infer<typeof authSchema>;
