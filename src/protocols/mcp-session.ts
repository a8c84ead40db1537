import {
  type CallToolResult,
  Client,
  type JSONRPCMessage,
  type Tool,
  type Transport,
} from '@modelcontextprotocol/client';
import type { Arguments } from '../core/index.js';
import { type McpTool, toMcpTool } from './mcp-definition.js';
import { McpConnectionError, type McpProblem } from './mcp-errors.js';
import { NoiseMeter } from './mcp-noise.js';
import { type ProgressListener, ProgressRouter } from './mcp-progress.js';

const maxPages = 50;
const maxTools = 1_000;
/** How long a server that knows only the older handshake may take to say so. */
const probeTimeoutMs = 2_000;

/** A transport with what this server needs to end it. */
export interface McpConnection {
  readonly transport: Transport;
  /** Ends it at once; the transport's `onclose` follows. */
  kill(): void;
  /** Ends it politely and releases all that it holds. */
  close(): Promise<void>;
  /** The last that the server wrote for its operator; empty where there is no such thing. */
  diagnosis(): string;
}

/** Which handshake is tried: `auto` asks for the 2026-07-28 protocol first, `legacy` is `initialize` alone. */
export type Handshake = 'auto' | 'legacy';

export interface SessionOptions {
  readonly handshake: Handshake;
  readonly timeout_ms: number;
  /** The server says that its tools have changed. */
  onToolsChanged(): void;
  /** The connection ended, for the first problem that was seen. Called once, after a successful `open` alone. */
  onLost(problem: McpProblem): void;
}

export interface McpCallOptions {
  readonly signal: AbortSignal;
  readonly timeout_ms: number;
  readonly onProgress?: ProgressListener;
}

/** One connection to an MCP server, after the handshake and the first list of its tools. */
export class McpSession {
  readonly #client: Client;
  readonly #connection: McpConnection;
  readonly #options: SessionOptions;
  readonly #noise = new NoiseMeter();
  readonly #progress = new ProgressRouter();
  #tools: ReadonlyMap<string, McpTool> = new Map();
  #problem: McpProblem | undefined;
  #opened = false;
  #closed = false;

  private constructor(connection: McpConnection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#client = new Client(
      { name: 'gatehouse', version: '1' },
      {
        // No capability is offered, so that a server cannot ask a shared client for samples, input or folders.
        capabilities: {},
        inputRequired: { autoFulfill: false },
        versionNegotiation: {
          mode: options.handshake,
          probe: { timeoutMs: Math.min(probeTimeoutMs, options.timeout_ms) },
        },
        // Makes the client subscribe where the protocol wants it; `#notice` hears of a change before any later result.
        listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => undefined } },
      },
    );
    this.#client.removeNotificationHandler('notifications/progress');
    this.#client.onerror = (error) => this.#hear(error);
    this.#client.onclose = () => {
      this.#closed = true;
      if (this.#opened) options.onLost(this.#problem ?? 'connection');
    };
  }

  /** Connects and lists the tools. Rejects with what the client threw, everything closed. */
  static async open(connection: McpConnection, options: SessionOptions): Promise<McpSession> {
    const session = new McpSession(connection, options);
    const { transport } = connection;
    const inner = transport.onmessage;
    transport.onmessage = (message) => {
      inner?.(message);
      session.#notice(message);
    };
    try {
      await session.#client.connect(transport, { timeout: options.timeout_ms });
      await session.refresh(options.timeout_ms);
    } catch (error) {
      await session.close();
      throw session.#problem ? new McpConnectionError(session.#problem, error) : error;
    }
    session.#opened = true;
    return session;
  }

  get tools(): ReadonlyMap<string, McpTool> {
    return this.#tools;
  }

  /** Whether the connection has ended. */
  get isClosed(): boolean {
    return this.#closed;
  }

  get handshake(): Handshake {
    return this.#client.getProtocolEra() === 'legacy' ? 'legacy' : 'auto';
  }

  get diagnosis(): string {
    return this.#connection.diagnosis();
  }

  /** Lists the tools again, page by page and bounded. Rejects with what the client threw, or McpConnectionError. */
  async refresh(timeoutMs: number): Promise<void> {
    const tools = new Map<string, McpTool>();
    let cursor: string | undefined;
    for (let page = 0; page < maxPages; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const listed = await this.#client.request({ method: 'tools/list', params }, { timeout: timeoutMs });
      for (const tool of listed.tools) tools.set(tool.name, readTool(tool));
      if (tools.size > maxTools) break;
      cursor = listed.nextCursor;
      if (cursor === undefined) {
        this.#tools = tools;
        return;
      }
    }
    throw new McpConnectionError('listing_unbounded');
  }

  /** Calls a tool. Rejects with what the client threw; a cancelled signal sends `notifications/cancelled`. */
  async call(tool: McpTool, args: Arguments, options: McpCallOptions): Promise<CallToolResult> {
    const { onProgress, signal, timeout_ms: timeout } = options;
    const { name } = tool.definition;
    // Without its outputs schema: the catalog's own is what results are held to, and no pattern of the server's runs.
    const limits = { signal, timeout, toolDefinition: tool.listed };
    if (!onProgress) return this.#client.callTool({ name, arguments: args }, limits);
    const progressToken = this.#progress.add(onProgress);
    try {
      return await this.#client.callTool({ name, arguments: args, _meta: { progressToken } }, limits);
    } finally {
      this.#progress.forget(progressToken);
    }
  }

  /** Ends the connection at once for a reason. */
  abort(problem: McpProblem): void {
    this.#problem ??= problem;
    this.#connection.kill();
  }

  /** Ends the connection; calls under way are rejected. Never rejects. */
  async close(): Promise<void> {
    this.#opened = false;
    await this.#connection.close();
    // What the transport's end does not settle (a handshake under way), the client's does.
    if (!this.#closed) await this.#client.close();
  }

  #notice(message: JSONRPCMessage): void {
    if (!('method' in message)) return;
    if (this.#noise.exceeds()) this.abort('flooding');
    else if (message.method === 'notifications/progress') this.#progress.route(message);
    else if (message.method === 'notifications/tools/list_changed') this.#options.onToolsChanged();
  }

  #hear(error: Error): void {
    if (error instanceof McpConnectionError) this.#problem ??= error.problem;
    if (this.#noise.exceeds()) this.abort('flooding');
  }
}

function readTool(tool: Tool): McpTool {
  try {
    return toMcpTool(tool);
  } catch (error) {
    throw new McpConnectionError('invalid_listing', error);
  }
}
