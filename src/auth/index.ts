export { ApiKeyVerifier } from './api-key.js';
export { maxCredentialLength, readCredential } from './bearer.js';
export { CallerDirectory, type KeyEntry, makePrincipal, type OAuthClient, sortNames } from './caller.js';
export { CertificateVerifier, describeCertificate } from './certificate.js';
export {
  type Authenticator,
  type AuthenticatorOptions,
  type AuthVerdict,
  createAuthenticator,
  type RevocationCheck,
} from './chain.js';
export * from './config.js';
export * from './credential.js';
export type { FetchJson, ProviderRequest } from './fetch-json.js';
export {
  createIdentity,
  type Identity,
  type IdentityOptions,
  type IdentityReports,
  IdentityState,
} from './identity.js';
export { type TokenAnswer, TokenIssuer, type TokenIssuerOptions, type TokenRequest } from './issuer.js';
export { KeySets } from './jwks.js';
export { JwtVerifier, type JwtVerifierOptions, type TrustedIssuer } from './jwt.js';
export { adaptFastifyJwt, type FastifyJwtOptions, type JwtVerify, type JwtVerifyOptions } from './jwt-verify.js';
export { type KeyFileProblem, KeyRing, type KeyRingOptions } from './key-ring.js';
export {
  createKey,
  describeKeys,
  type IssuedKey,
  type KeyTerms,
  type ListedKey,
  type RotationTerms,
  revokeCaller,
  revokeKeys,
  revokeToken,
  rotateKey,
} from './keys-edit.js';
export { type KeysFile, listKeys, listRevocations, parseKeysFile } from './keys-file.js';
export { KeysWatch, type KeysWatchOptions, readKeysFile } from './keys-watch.js';
export { describeAuthorizationServer, describeResource, type MetadataParts, renderChallenge } from './metadata.js';
export { type Revocation, RevocationList, type SharedRevocations } from './revocations.js';
export { checkSecretForm, createSecret, secretPrefix } from './secret.js';
export { makeClientPrincipal, SubjectMapper, type SubjectRules } from './subject.js';
export { createTrustedIssuers, type IssuerParts } from './trusted-issuers.js';
