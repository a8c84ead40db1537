import type { McpTool } from './mcp-definition.js';
import type { McpPins, PinScope } from './mcp-pins.js';

/** What is known of a tool's definition. */
export type Verdict = 'trusted' | 'quarantined';

/** Whose tool is judged. */
export interface Claim extends PinScope {
  /** The digest that the template names; undefined: it names none. */
  readonly expected: string | undefined;
}

/**
 * Judges a listed tool against what is approved. The template's own digest comes first, since the published manual was
 * made from that definition; then the pins. A tool that neither knows is trusted at first sight and pinned.
 */
export function judgeTool(pins: McpPins, claim: Claim, tool: McpTool, onUnsaved: () => void): Verdict {
  if (claim.expected !== undefined && claim.expected !== tool.digest) return 'quarantined';
  const approved = pins.find(claim, tool.definition.name);
  if (approved) return approved.digest === tool.digest ? 'trusted' : 'quarantined';
  const scope = { manual: claim.manual, server: claim.server };
  if (!pins.write(scope, [tool.definition])) onUnsaved();
  return 'trusted';
}
