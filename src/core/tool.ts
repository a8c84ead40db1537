import type { Json, JsonObject } from './json.js';

/** A JSON schema as a manual carries it (draft-07 or 2020-12). */
export type JsonSchema = JsonObject;

/** A call template as authored, before its protocol has parsed it. */
export interface CallTemplate extends JsonObject {
  readonly call_template_type: string;
}

/** A tool as a UTCP manual states it (UTCP 1.x, `Tool`), checked for shape but not yet bound to a protocol. */
export interface AuthoredTool {
  readonly name: string;
  readonly description: string;
  readonly inputs: JsonSchema;
  readonly outputs?: JsonSchema;
  readonly tags: readonly string[];
  readonly average_response_size?: number;
  readonly tool_call_template: CallTemplate;
  /**
   * Set by the OpenAPI mapping only: alternatives of scopes that the document's security requirements name. Never
   * served; the catalog turns it into `required_scopes` unless the configuration says otherwise.
   */
  readonly required_scopes?: readonly string[];
}

/** A UTCP manual as authored. */
export interface AuthoredManual {
  readonly utcp_version: string;
  readonly manual_version: string;
  readonly tools: readonly AuthoredTool[];
}

/** How a tool reaches its callers: through this server, or as its provider wrote it. */
export type Exposure = 'routed' | 'direct';

/** The forms in which a routed tool may be published. */
export type PublishedForm = 'http' | 'sse' | 'streamable_http';

/** What a UTCP tool has no field for; from the configuration's `tools`. */
export interface ToolSettings {
  readonly required_scopes: readonly string[];
  /** Whole milliseconds for one call, upstream included. */
  readonly timeout_ms: number;
  /** Names of the arguments whose values the security event may show. */
  readonly log_arguments: readonly string[];
  readonly honeypot: boolean;
  /** Whether an answer outside the tool's outputs schema is refused (502). */
  readonly validate_outputs: boolean;
  /** The forms that a streaming tool is published in; `http`, the collected twin, by default. */
  readonly publish_as: readonly PublishedForm[];
}

/** A tool of the catalog. `id` is what policy, limits and logs call it. */
export interface Tool {
  /** `manual.tool`. */
  readonly id: string;
  /** Position in the catalog; permission sets are indexed by it. */
  readonly index: number;
  readonly manual: string;
  /** The published name: `[A-Za-z_]\w*`, prefix included, unique across all manuals. */
  readonly name: string;
  readonly description: string;
  readonly inputs: JsonSchema;
  readonly outputs: JsonSchema | undefined;
  readonly tags: readonly string[];
  readonly average_response_size: number | undefined;
  readonly expose: Exposure;
  /** The authored template: the upstream of a routed tool (never served), or what is served of a direct one. */
  readonly template: CallTemplate;
  readonly settings: ToolSettings;
}

/** The arguments of one call, validated against the tool's inputs. */
export type Arguments = Readonly<Record<string, Json>>;
