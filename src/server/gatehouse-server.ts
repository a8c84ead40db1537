import type { FastifyInstance } from 'fastify';
import type { LoadedConfig } from '../config/index.js';
import type { Finding } from '../core/index.js';
import type { EventSink } from '../events/index.js';
import type { State } from '../limits/index.js';
import type { Gate } from '../pipeline/index.js';
import type { ProtocolRegistry } from '../protocols/index.js';
import type { Readiness } from './admin.js';
import type { Metrics } from './metrics.js';

/** What a program hands a server in place of what the configuration would make. */
export interface ServerDependencies {
  /** Where security events go; the configured log when absent. */
  readonly sink?: EventSink;
  /** The protocols that templates are bound to; all of them when absent. */
  readonly protocols?: ProtocolRegistry;
  /** Takes a line for the operator; standard error when absent. */
  readonly report?: (line: string) => void;
  /** What is shared with others that serve the same; opened from the configuration when absent. */
  readonly state?: State;
  /** Whether to open the admin listener: false where another process has it, and unless told within another's app. */
  readonly admin?: boolean;
}

export interface CloseOptions {
  /** Goes without `drain_delay_ms`: there is no gateway that would have to notice. */
  readonly at_once?: boolean;
}

/** A server that is wired and checked; it listens when it is told to. */
export interface GatehouseServer {
  readonly app: FastifyInstance;
  readonly gate: Gate;
  readonly sink: EventSink;
  /** Warnings of the load that an operator should see. */
  readonly notices: readonly Finding[];
  /** Where the admin listener is; undefined while it is not listening. */
  readonly admin_url: string | undefined;
  /** Where the public listener itself is, whatever URL callers reach it by. */
  readonly listener_url: string;
  /** Listens, and gives the URL that callers reach it by. */
  listen(): Promise<string>;
  /**
   * Puts another configuration in force, whole, between two requests. Throws LoadError and changes nothing when it
   * can't be used, or when it changes a section that is read at the start alone (docs/configuration.md).
   */
  apply(loaded: LoadedConfig): Promise<void>;
  /** As `apply` in two steps: builds and checks, and gives what puts it in force. */
  prepare(loaded: LoadedConfig): Promise<() => void>;
  /** What the admin listener shows, where it is not this server's. */
  readonly metrics: Metrics;
  readiness(): Readiness;
  /** Says that it goes, then takes nothing new, lets what is in flight finish within the drain time, ends everything. */
  close(options?: CloseOptions): Promise<void>;
}
