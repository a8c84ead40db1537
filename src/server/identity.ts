import { ApiKeyVerifier, type Authenticator, CallerDirectory, createAuthenticator } from '../auth/index.js';
import type { LoadedConfig } from '../config/index.js';

/** The chain of credential kinds that a configuration asks for. Throws LoadError for callers that share a credential. */
export function buildAuthenticator(loaded: LoadedConfig): Authenticator {
  const directory = new CallerDirectory(loaded.config.callers);
  return createAuthenticator({ verifiers: [new ApiKeyVerifier(directory)] });
}
