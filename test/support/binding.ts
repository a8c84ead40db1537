import type { Finding, JsonSchema } from '../../src/core/index.js';
import type { ToolBinding, UpstreamSettings } from '../../src/protocols/protocol.js';
import type { VariableSource } from '../../src/variables/index.js';
import { SecureVariableLoader } from '../../src/variables/index.js';

/** A tool's binding for tests, with what its notices said. */
export interface TestBinding extends ToolBinding {
  readonly notices: Finding[];
}

export interface BindingOptions {
  readonly inputs?: JsonSchema;
  readonly variables?: Readonly<Record<string, string>>;
  readonly settings?: Partial<UpstreamSettings>;
  readonly base_dir?: string;
  readonly timeout_ms?: number;
}

/** The settings that a manual gets which says nothing. */
export const defaultSettings: UpstreamSettings = {
  allow_private_hosts: [],
  allow_unverified_tls_hosts: [],
  tls: {},
  sandbox: 'required',
  max_response_bytes: 10_485_760,
  max_retries: 2,
  max_streams_per_caller: 10,
};

/** Binds as the catalog does, to upstreams on 127.0.0.1 unless told otherwise. */
export function makeBinding(options: BindingOptions = {}): TestBinding {
  const notices: Finding[] = [];
  return {
    tool: 'test.tool',
    inputs: options.inputs ?? { type: 'object', properties: {} },
    variables: makeVariables(options.variables),
    base_dir: options.base_dir ?? '.',
    file: 'manual.yaml',
    pointer: '/tools/0/tool_call_template',
    timeout_ms: options.timeout_ms ?? 5000,
    settings: { ...defaultSettings, allow_private_hosts: ['127.0.0.1'], ...options.settings },
    notice: (finding) => notices.push(finding),
    notices,
  };
}

/** A variable source over a fixed environment. */
export function makeVariables(environment: Readonly<Record<string, string>> = {}): VariableSource {
  return new SecureVariableLoader({ allowed_prefixes: ['UTCP_', 'API_'] }, environment);
}

/** The schema of an object whose properties are all of any type. */
export function inputsOf(...names: readonly string[]): JsonSchema {
  return { type: 'object', properties: Object.fromEntries(names.map((name) => [name, {}])) };
}
