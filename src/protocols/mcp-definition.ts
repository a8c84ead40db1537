import { createHash } from 'node:crypto';
import type { Tool } from '@modelcontextprotocol/client';
import canonicalize from 'canonicalize';
import { z } from 'zod';

const schemaDocument = z.record(z.string(), z.json());

/** All that a model or this server reads of an MCP tool, and so all that must not change unseen. */
export const toolDefinitionSchema = z.object({
  name: z.string().min(1).max(256),
  title: z.exactOptional(z.string()),
  description: z.exactOptional(z.string()),
  inputSchema: schemaDocument,
  outputSchema: z.exactOptional(schemaDocument),
  annotations: z.exactOptional(
    z.object({
      title: z.exactOptional(z.string()),
      readOnlyHint: z.exactOptional(z.boolean()),
      destructiveHint: z.exactOptional(z.boolean()),
      idempotentHint: z.exactOptional(z.boolean()),
      openWorldHint: z.exactOptional(z.boolean()),
    }),
  ),
});
export type McpToolDefinition = z.infer<typeof toolDefinitionSchema>;

/** A tool of a connected server. */
export interface McpTool {
  readonly definition: McpToolDefinition;
  /** SHA-256 of the definition in canonical JSON (RFC 8785), in hexadecimal. */
  readonly digest: string;
  /** What the client needs of it for a call; without the outputs schema, which this server's own validation checks. */
  readonly listed: Tool;
}

/** SHA-256 of a definition in canonical JSON (RFC 8785), in hexadecimal. */
export function digestDefinition(definition: McpToolDefinition): string {
  return createHash('sha256')
    .update(canonicalize(definition) ?? '')
    .digest('hex');
}

/** Reads a listed tool. Throws a ZodError for a definition that is not JSON. */
export function toMcpTool(tool: Tool): McpTool {
  const definition = toolDefinitionSchema.parse(tool);
  return {
    definition,
    digest: digestDefinition(definition),
    listed: { name: tool.name, inputSchema: tool.inputSchema },
  };
}
