import type { LoadedConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import {
  type McpReview,
  parseMcpSource,
  reviewMcpServers,
  targetsOfSource,
  targetsOfTools,
} from '../protocols/index.js';

/** What the MCP servers of these manuals (of all when none is named) list now, against the lock file. Throws LoadError. */
export async function reviewManuals(loaded: LoadedConfig, names: readonly string[]): Promise<readonly McpReview[]> {
  const { mcp } = loaded.config;
  if (mcp.lock_file === undefined) throw missing(loaded, '/mcp', 'mcp.lock_file is not configured', 'Set it.');
  const known = loaded.manuals.map(({ entry }) => entry.name);
  for (const name of names) {
    if (!known.includes(name))
      throw missing(loaded, '/manuals', `there is no manual ${name}`, `Use ${known.join(', ')}.`);
  }
  const chosen = loaded.manuals.filter(({ entry }) => names.length === 0 || names.includes(entry.name));
  const reviews: McpReview[] = [];
  for (const { entry, manual, file, base_dir } of chosen) {
    const place = { file, pointer: '' };
    const targets =
      entry.source === 'mcp'
        ? targetsOfSource(entry.name, parseMcpSource(entry.mcp ?? {}, place))
        : targetsOfTools(entry.name, manual.tools);
    const { timeout_ms } = entry;
    const binding = { ...place, base_dir, timeout_ms, settings: entry, variables: loaded.variables };
    reviews.push(...(await reviewMcpServers(targets, { ...binding, notice: () => undefined }, mcp)));
  }
  return reviews;
}

function missing(loaded: LoadedConfig, pointer: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'approve-unusable', file: loaded.file, pointer, message: `${message}.`, mend });
}
