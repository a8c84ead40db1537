import type { LoadedConfig } from '../config/index.js';
import { type Finding, LoadError } from '../core/index.js';
import { createLimitPlan } from '../limits/index.js';
import { Publisher } from '../manual/index.js';
import type { Generation } from '../pipeline/index.js';
import { type BindingParts, bindTools } from './bound-tools.js';
import type { IdentityGeneration } from './identity.js';
import type { ManualSigning } from './manual-signing.js';

/** What a generation is built with beside its configuration. */
export interface GenerationParts extends BindingParts {
  readonly identity: IdentityGeneration;
  readonly public_url: string;
  readonly signing: ManualSigning;
  /** Told of each view that is asked for: whether it was built already. */
  readonly on_view?: (known: boolean) => void;
}

/**
 * Compiles a loaded configuration into what requests run on: every template bound, every schema checked. Throws
 * LoadError with all findings; nothing of the running server is touched.
 */
export function buildGeneration(loaded: LoadedConfig, parts: GenerationParts, notices: Finding[] = []): Generation {
  const findings: Finding[] = [];
  const { runtimes, anchors } = bindTools(loaded, parts, findings, notices);
  if (findings.length > 0) throw new LoadError(findings);
  return {
    catalog: loaded.catalog,
    policy: loaded.policy,
    publisher: new Publisher(loaded.catalog, {
      public_url: parts.public_url,
      max_cache_bytes: loaded.config.server.manual_cache_bytes,
      ...(parts.signing.describe && { describe: parts.signing.describe }),
      ...(parts.on_view && { on_view: parts.on_view }),
    }),
    signing_keys: parts.signing.keys,
    ...parts.identity,
    limits: createLimitPlan(loaded.config.limits),
    runtimes,
    anchors,
    policy_digest: loaded.policy_digest,
    config_digest: loaded.config_digest,
  };
}
