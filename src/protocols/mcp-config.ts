import { z } from 'zod';

/** The configuration's `mcp` section: what holds for every MCP server. Read once at start, not at a reload. */
export const mcpSettingsSchema = z.strictObject({
  lock_file: z
    .string()
    .min(1)
    .optional()
    .describe('Where approved tool definitions are kept. Absent: in memory, and each start trusts what it sees first.'),
  expose_tool_errors: z
    .boolean()
    .default(false)
    .describe('Whether a failed tool’s own text is shown to the caller, cut and stripped; it is text of the upstream.'),
  health_interval_ms: z
    .int()
    .min(50)
    .max(3_600_000)
    .default(30_000)
    .describe(
      'Milliseconds between two looks at a server’s tools: the health check, and how a silent change is found.',
    ),
  start_timeout_ms: z
    .int()
    .min(100)
    .max(600_000)
    .default(15_000)
    .describe('Milliseconds from a server’s start to its list of tools.'),
  restart_ceiling_ms: z
    .int()
    .min(100)
    .max(3_600_000)
    .default(30_000)
    .describe('The longest pause, in milliseconds, between two tries to start a server.'),
  max_calls_per_server: z
    .int()
    .positive()
    .default(1_000)
    .describe('Calls under way on one server; one more is refused as overloaded.'),
});
export type McpSettings = z.infer<typeof mcpSettingsSchema>;
