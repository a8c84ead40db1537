export { readCredential } from './bearer.js';
export { CallerDirectory, makePrincipal } from './caller.js';
export { describeCertificate } from './certificate.js';
export type {
  Authenticator,
  AuthVerdict,
} from './chain.js';
export * from './config.js';
export * from './credential.js';
export type { FetchJson } from './fetch-json.js';
export {
  createIdentity,
  type Identity,
  IdentityState,
} from './identity.js';
export { TokenIssuer } from './issuer.js';
export { adaptFastifyJwt } from './jwt-verify.js';
export { generatePrivateKey } from './key-pair.js';
export {
  createKey,
  describeKeys,
  type IssuedKey,
  revokeCaller,
  revokeKeys,
  revokeToken,
  rotateKey,
} from './keys-edit.js';
export { parseKeysFile } from './keys-file.js';
export { readKeysFile } from './keys-watch.js';
export { describeAuthorizationServer, describeResource, type MetadataParts, renderChallenge } from './metadata.js';
export { createSecret } from './secret.js';
export { makeClientPrincipal, SubjectMapper, type SubjectRules } from './subject.js';
