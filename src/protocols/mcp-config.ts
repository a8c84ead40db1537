import { z } from 'zod';

/** The configuration's `mcp` section: what holds for every MCP server. Read once at start, not at a reload. */
export const mcpSettingsSchema = z.strictObject({
  /**
   * Where approved tool definitions are kept, relative to the configuration. Absent: they are kept in memory, and each
   * start trusts what it sees first.
   */
  lock_file: z.string().min(1).optional(),
  /** Whether a failed tool's own text is shown to the caller, cut and stripped; it is text of the upstream. */
  expose_tool_errors: z.boolean().default(false),
  /** How often each server is asked for its tools: the health check, and how a silent change of a tool is found. */
  health_interval_ms: z.int().min(50).max(3_600_000).default(30_000),
  /** How long a server may take from its start to its list of tools. */
  start_timeout_ms: z.int().min(100).max(600_000).default(15_000),
  /** The longest pause between two tries to start a server. */
  restart_ceiling_ms: z.int().min(100).max(3_600_000).default(30_000),
  /** Calls under way on one server; one more is refused as overloaded. */
  max_calls_per_server: z.int().positive().default(1_000),
});
export type McpSettings = z.infer<typeof mcpSettingsSchema>;
