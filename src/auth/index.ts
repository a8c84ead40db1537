export { ApiKeyVerifier } from './api-key.js';
export { maxCredentialLength, readCredential } from './bearer.js';
export { CallerDirectory, type KeyEntry, makePrincipal, type OAuthClient, sortNames } from './caller.js';
export {
  type Authenticator,
  type AuthenticatorOptions,
  type AuthVerdict,
  createAuthenticator,
  type RevocationCheck,
} from './chain.js';
export * from './config.js';
export * from './credential.js';
