import type { Finding, Json, JsonObject, Severity } from '../../core/index.js';

/** One tool as its author wrote it, before anything is migrated or dropped. */
export interface ToolSource {
  readonly name: string;
  readonly pointer: string;
  readonly tool: JsonObject;
  /** `tool_call_template`, or `tool_provider` of a 0.1 manual; empty where there is none. */
  readonly template: JsonObject;
  readonly template_pointer: string;
  readonly template_type: string;
}

export interface LintOptions {
  /** Prefixes that a variable's name may have; `UTCP_` and `API_` by default, as in the configuration. */
  readonly allowed_prefixes?: readonly string[];
  /** How the manual is meant to be served: what a routed tool's template says is never seen by an official client. */
  readonly expose?: 'routed' | 'direct';
  readonly suppress?: readonly Suppression[];
}

/** A finding that its author has looked at and accepts. */
export interface Suppression {
  readonly rule: string;
  /** The tool's name; any when absent. */
  readonly tool?: string | undefined;
  /** JSON pointer of the finding or of something around it; any when absent. */
  readonly pointer?: string | undefined;
  /** The manual's file, from the folder of the suppressions; any when absent. */
  readonly file?: string | undefined;
  /** Why it is acceptable. Never empty. */
  readonly reason: string;
}

/** A change that mends a finding without changing what the manual means. */
export type Fix =
  | { readonly pointer: string; readonly value: Json }
  | { readonly pointer: string; readonly remove: true };

export interface LintFinding extends Finding {
  /** Why it matters, in one sentence. */
  readonly why: string;
  /** The rule's page, from the project's folder. */
  readonly docs: string;
  /** The tool that it is about. */
  readonly tool?: string;
  /** Present where `--fix` mends it. */
  readonly fix?: Fix;
}

/** What a rule may say beyond where and what. */
export interface Detail {
  readonly severity?: Severity;
  readonly mend?: string;
  readonly fix?: Fix;
}

export interface RuleContext {
  readonly manual: JsonObject;
  readonly tools: readonly ToolSource[];
  readonly allowed_prefixes: readonly string[];
  readonly expose: 'routed' | 'direct';
  report(pointer: string, message: string, detail?: Detail): void;
}

export interface Rule {
  /** Kebab case; docs/lint/<id>.md is its page. */
  readonly id: string;
  readonly severity: Severity;
  readonly why: string;
  readonly mend: string;
  check(context: RuleContext): void;
}
