import {
  type Arguments,
  type CallResult,
  type CallScope,
  GatehouseError,
  type PreparedCall,
  type StreamItem,
} from '../core/index.js';
import type { McpTool } from './mcp-definition.js';
import type { McpPins } from './mcp-pins.js';
import { ProgressQueue } from './mcp-progress.js';
import { type ResultOptions, toCallResult } from './mcp-result.js';
import type { Admission, McpServer } from './mcp-server.js';
import { type Claim, judgeTool, type Verdict } from './mcp-trust.js';
import type { UpstreamReport } from './protocol.js';
import { StreamSlots } from './stream-limits.js';

/** All that a tool needs to be called on its server. */
export interface McpCallPlan {
  readonly server: McpServer;
  /** The server's name in reports. */
  readonly upstream: string;
  /** `manual.tool`. */
  readonly id: string;
  /** The tool's name on the server. */
  readonly tool: string;
  readonly claim: Claim;
  readonly timeout_ms: number;
  readonly max_streams_per_caller: number;
  readonly result: ResultOptions;
  readonly pins: McpPins;
  report(report: UpstreamReport): void;
}

/** One UTCP tool on an MCP server. */
export class PreparedMcpCall implements PreparedCall, Admission {
  readonly tool: string;
  readonly timeout_ms: number;
  readonly #plan: McpCallPlan;
  readonly #slots: StreamSlots;
  #judged: string | undefined;
  #verdict: Verdict = 'trusted';
  #missing = false;

  constructor(plan: McpCallPlan) {
    this.#plan = plan;
    this.tool = plan.tool;
    this.timeout_ms = plan.timeout_ms;
    this.#slots = new StreamSlots(plan.max_streams_per_caller);
  }

  get server(): McpServer {
    return this.#plan.server;
  }

  /** What is wrong with the tool, while something is. */
  get flaw(): string | undefined {
    if (this.#missing) return 'tool_missing';
    return this.#verdict === 'quarantined' ? 'quarantined' : undefined;
  }

  async call(args: Arguments, scope: CallScope): Promise<CallResult> {
    return toCallResult(await this.server.call(this, args, scope), this.#plan.result);
  }

  /** The tool's progress notifications as `progress` events, then its result as the `result` event. */
  async *stream(args: Arguments, scope: CallScope): AsyncGenerator<StreamItem> {
    this.#slots.take(scope.caller);
    const ended = new AbortController();
    const queue = new ProgressQueue();
    const signal = AbortSignal.any([scope.signal, ended.signal]);
    const answer = this.server.call(this, args, scope, { signal, onProgress: (progress) => queue.push(progress) });
    const over = answer.then(
      () => queue.end(),
      () => queue.end(),
    );
    try {
      for await (const data of queue.read()) yield { event: 'progress', data };
      const { body } = toCallResult(await answer, this.#plan.result);
      yield { event: 'result', data: body.toString() };
    } finally {
      ended.abort('client_aborted');
      await over;
      this.#slots.release(scope.caller);
    }
  }

  /** Looks at the tool after each listing, so that a change is reported before somebody calls it. */
  inspect(tool: McpTool | undefined): void {
    this.#missing = tool === undefined;
    if (tool === undefined || tool.digest === this.#judged) return;
    const { pins, claim, upstream, id } = this.#plan;
    const before = this.#verdict;
    this.#verdict = judgeTool(pins, claim, tool, () => this.#report('failed', 'lock_unwritable'));
    this.#judged = tool.digest;
    if (this.#verdict === 'quarantined')
      this.#plan.report({ kind: 'quarantined', upstream, tool: id, reason: 'definition_changed' });
    else if (before === 'quarantined') this.#report('recovered', 'definition_restored');
  }

  admit(tool: McpTool | undefined): McpTool {
    if (tool?.digest !== this.#judged || this.#missing) this.inspect(tool);
    if (tool === undefined) {
      throw new GatehouseError('upstream_unavailable', {
        detail: 'The server has no such tool.',
        reason: 'tool_missing',
      });
    }
    if (this.#verdict === 'trusted') return tool;
    throw new GatehouseError('upstream_unavailable', {
      detail: 'The definition of this tool has changed and waits for approval.',
      reason: 'quarantined',
    });
  }

  #report(kind: UpstreamReport['kind'], reason: string): void {
    this.#plan.report({ kind, upstream: this.#plan.upstream, tool: this.#plan.id, reason });
  }
}
