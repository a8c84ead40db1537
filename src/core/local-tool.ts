import type { JsonObject } from './json.js';
import type { PrincipalSource } from './principal.js';
import type { Arguments, JsonSchema, ToolSettings } from './tool.js';

/** Who called a local tool, as far as its handler needs to know; never the credential. */
export interface LocalCaller {
  /** The caller's id: the configured caller's, or the token's subject. */
  readonly id: string;
  /** Which kind of credential vouched for it. */
  readonly source: PrincipalSource;
  /** Names of the policy's roles that it holds. */
  readonly roles: readonly string[];
  /** The scopes of its token; undefined for a credential that has none. */
  readonly scopes: readonly string[] | undefined;
  /** Its token's claims, or what the configuration says of it. */
  readonly claims: JsonObject;
}

/** What a handler is told beside its arguments. */
export interface LocalContext {
  /** `manual.tool`. */
  readonly tool: string;
  /** Names the call in the security events and in the answer's `X-Request-Id`. */
  readonly request_id: string;
  readonly caller: LocalCaller;
  /** Aborted when the caller goes away, the tool's time is over, or the server shuts down. */
  readonly signal: AbortSignal;
}

/** A tool whose upstream is a function of the program that the server runs in. Made by `defineTool`. */
export interface LocalTool {
  readonly manual: string;
  readonly name: string;
  readonly description: string;
  readonly inputs: JsonSchema;
  readonly outputs?: JsonSchema;
  readonly tags: readonly string[];
  /** Whether calling it changes nothing, so that it may be published as GET. */
  readonly read_only: boolean;
  readonly settings: Partial<Pick<ToolSettings, 'required_scopes' | 'timeout_ms' | 'log_arguments'>>;
  /**
   * Runs it on arguments that fit `inputs`. Gives the result or a promise of it, as a value that JSON can say. Throws
   * GatehouseError for a refusal that the caller may read; anything else that it throws is a fault.
   */
  run(args: Arguments, context: LocalContext): unknown;
}

/** Whether a handler gave a promise of its result, of whatever make. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
