import type { Policy } from '../access/index.js';
import type { Authenticator, MetadataParts, TokenIssuer } from '../auth/index.js';
import type { JsonObject } from '../core/index.js';
import type { LimitPlan } from '../limits/index.js';
import type { Catalog, Publisher } from '../manual/index.js';
import type { ToolRuntime } from './tool-runtime.js';

/**
 * Everything that a configuration says, compiled and checked as one. A request takes the generation in force when it
 * arrives and keeps it to its end, so that none sees half of an old one and half of a new one.
 */
export interface Generation {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly publisher: Publisher;
  readonly authenticator: Authenticator;
  /** This server's own token endpoint. */
  readonly issuer: TokenIssuer;
  readonly metadata: MetadataParts;
  /** Public keys (JWK) that served manuals are signed with. */
  readonly signing_keys: readonly JsonObject[];
  readonly limits: LimitPlan;
  /** By the tool's index. */
  readonly runtimes: readonly ToolRuntime[];
  /** What the protocols keep open for these tools. */
  readonly anchors: ReadonlySet<object>;
  /** SHA-256, hex. */
  readonly policy_digest: string;
  readonly config_digest: string;
}
