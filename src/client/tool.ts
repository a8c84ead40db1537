import { randomUUID } from 'node:crypto';
import {
  type Arguments,
  type CallResult,
  CallScope,
  type JsonObject,
  type PreparedCall,
  type StreamItem,
} from '../core/index.js';
import type { ToolBinding, UpstreamSettings } from '../protocols/protocol.js';
import type { ProtocolRegistry } from '../protocols/registry.js';
import { isIdempotent } from '../protocols/retry.js';
import { createSanitizer, type SchemaCompiler } from '../schema/index.js';
import type { VariableSource } from '../variables/index.js';
import { findWrapper, fitArguments, type InputRules } from './arguments.js';
import { fromProblem, ToolUnusableError, toToolError, UpstreamError } from './errors.js';
import type { ServedTool } from './manual.js';
import { type CallOptions, defaults, type StreamChunk } from './options.js';
import { readStreamedProblem } from './problem.js';
import { isAtProvider, leavesTls, type Provider } from './provider.js';
import { retry } from './retry.js';

/** What every tool of a client is bound with. */
export interface ToolContext {
  readonly provider: Provider;
  readonly protocols: ProtocolRegistry;
  readonly schemas: SchemaCompiler;
  readonly variables: VariableSource;
  readonly settings: UpstreamSettings;
  /** The client's own credential in UTCP's form, for templates at the provider. */
  readonly auth: JsonObject | undefined;
  readonly allowed_protocols: readonly string[];
  readonly timeout_ms: number;
  readonly retries: number;
  readonly max_wait_ms: number;
}

/** The longest time that a call's own `timeout_ms` may name. */
const longestCall_ms = 86_400_000;
const retriedTypes: ReadonlySet<string> = new Set(['http', 'sse', 'streamable_http']);

/** A served tool, ready to be called; its schema and template are compiled at the first call. */
export class BoundTool {
  readonly #context: ToolContext;
  #rules: InputRules | undefined;
  #prepared: PreparedCall | undefined;

  constructor(
    readonly served: ServedTool,
    context: ToolContext,
  ) {
    this.#context = context;
  }

  /** The protocol's part, once the tool has been called. */
  get prepared(): PreparedCall | undefined {
    return this.#prepared;
  }

  get streams(): boolean {
    const type = this.served.tool_call_template.call_template_type;
    return type === 'sse' || type === 'streamable_http';
  }

  /** Calls the tool and gives its result. Throws ToolError. */
  async call(args: Arguments, options: CallOptions): Promise<unknown> {
    const fitted = this.#fit(args);
    const prepared = await this.#prepare();
    const { retries, max_wait_ms, timeout_ms } = this.#context;
    const deadline = Date.now() + (options.timeout_ms ?? timeout_ms);
    const policy = { retries: this.#isIdempotent() ? retries : 0, max_wait_ms, deadline, signal: options.signal };
    return retry(policy, async () => {
      const attempt = new Attempt(deadline, options.signal);
      try {
        return parseResult(await prepared.call(fitted, attempt.scope));
      } catch (error) {
        throw toToolError(error);
      } finally {
        attempt.end();
      }
    });
  }

  /** Streams the tool's results; of a tool that does not stream, the one result. Throws ToolError. */
  async *stream(args: Arguments, options: CallOptions): AsyncGenerator<StreamChunk, void, undefined> {
    const fitted = this.#fit(args);
    const prepared = await this.#prepare();
    if (!prepared.stream) {
      yield { data: await this.call(args, options) };
      return;
    }
    const attempt = new Attempt(Date.now() + (options.timeout_ms ?? defaults.stream_timeout_ms), options.signal);
    try {
      for await (const item of prepared.stream(fitted, attempt.scope)) yield toChunk(item);
    } catch (error) {
      throw toToolError(error);
    } finally {
      attempt.end();
    }
  }

  #isIdempotent(): boolean {
    const { call_template_type: type, http_method: method } = this.served.tool_call_template;
    return retriedTypes.has(type) && isIdempotent(typeof method === 'string' ? method : 'GET');
  }

  #fit(args: Arguments): Arguments {
    const { inputs } = this.served;
    try {
      this.#rules ??= { validate: this.#context.schemas.compile(inputs), sanitize: createSanitizer(inputs) };
    } catch (error) {
      throw toToolError(error);
    }
    return fitArguments(args, findWrapper(this.served), this.#rules);
  }

  async #prepare(): Promise<PreparedCall> {
    if (this.#prepared) return this.#prepared;
    const { protocols, provider, auth } = this.#context;
    const template = this.served.tool_call_template;
    this.#refuseUnsafe();
    // The provider's origin gets the client's own credential, no other origin ever does.
    const bound = auth && isAtProvider(provider, template.url) ? { ...template, auth } : template;
    try {
      this.#prepared = protocols.prepareTool(bound, this.#binding());
      // MCP servers run from here on; the other protocols have nothing to start.
      await protocols.start();
      return this.#prepared;
    } catch (error) {
      throw toToolError(error);
    }
  }

  #refuseUnsafe(): void {
    const { allowed_protocols: allowed, provider } = this.#context;
    const { call_template_type: type, url } = this.served.tool_call_template;
    if (!allowed.includes(type)) {
      throw new ToolUnusableError(`Tool unusable: its protocol is ${type}, which allowed_protocols does not name`, {
        code: 'protocol_not_allowed',
      });
    }
    if (leavesTls(provider, url)) {
      throw new ToolUnusableError("Tool unusable: it would send in plain text to the provider's host", {
        code: 'plain_text',
      });
    }
  }

  #binding(): ToolBinding {
    const { variables, settings, provider } = this.#context;
    return {
      tool: `${provider.name}.${this.served.name}`,
      inputs: this.served.inputs,
      variables,
      base_dir: process.cwd(),
      file: provider.id,
      pointer: `/tools/${this.served.name}/tool_call_template`,
      // Every attempt has a deadline of its own.
      timeout_ms: longestCall_ms,
      settings,
      notice: () => undefined,
    };
  }
}

/** One try: a scope that ends at the deadline or when the user's signal says so. */
class Attempt {
  readonly scope: CallScope;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.scope.cancel('client_aborted');

  constructor(deadline: number, signal: AbortSignal | undefined) {
    const left = Math.max(1, deadline - Date.now());
    this.scope = new CallScope(randomUUID(), left, 'client');
    this.#timer = setTimeout(() => this.scope.cancel('timeout'), left);
    this.#signal = signal;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
  }
}

function parseResult({ body }: CallResult): unknown {
  return parseJson(body.toString());
}

function toChunk({ data, event, id }: StreamItem): StreamChunk {
  const value = typeof data === 'string' ? parseJson(data) : data;
  const problem = readStreamedProblem(event, value);
  if (problem) throw fromProblem(problem);
  return { data: value, ...(event !== undefined && { event }), ...(id !== undefined && { id }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UpstreamError('Upstream answer invalid: it is not JSON', { code: 'upstream_invalid', cause: error });
  }
}
