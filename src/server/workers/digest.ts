import type { LoadedConfig } from '../../config/index.js';

/** What tells two loads apart: workers put a configuration in force only when all have read the same. */
export function digestOf({ config_digest, policy_digest, catalog }: LoadedConfig): string {
  return `${config_digest} ${policy_digest} ${catalog.digest}`;
}
