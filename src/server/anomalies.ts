import type { LoadedConfig } from '../config/index.js';
import type { EventSink } from '../events/index.js';
import {
  type AnomalyFinding,
  type AnomalyWatch,
  type Block,
  type BlockList,
  createAnomalyWatch,
  type Observation,
} from '../limits/index.js';
import type { Exchange } from '../pipeline/index.js';

export interface AnomalyParts {
  readonly sink: EventSink;
  readonly blocks: BlockList;
  /** Ends what a caller has in flight. */
  readonly endCalls: (caller: string) => void;
  /** Takes a line for the operator. */
  readonly report: (line: string) => void;
}

/** What callers usually do, across reloads: habits are learned anew only when `anomalies` itself has changed. */
export class Anomalies {
  readonly #parts: AnomalyParts;
  #written = '';
  #watch: AnomalyWatch | undefined;

  constructor(parts: AnomalyParts) {
    this.#parts = parts;
    reportBlocks(parts);
  }

  /** Follows a configuration. Throws LoadError when the webhook's secret is in no variable. */
  follow({ config, variables }: LoadedConfig): void {
    const written = JSON.stringify(config.anomalies);
    if (written === this.#written) return;
    const { webhook } = config.anomalies;
    const { blocks, report } = this.#parts;
    const before = this.#watch;
    this.#watch = createAnomalyWatch({
      config: config.anomalies,
      blocks,
      webhook_secret: webhook && variables.load(webhook.secret_variable),
      onFinding: (finding) => this.#tell(finding),
      report,
    });
    this.#written = written;
    void before?.close();
  }

  /** Takes a finished exchange in. */
  observe(exchange: Exchange): void {
    if (exchange.kind !== 'public') this.#watch?.observe(describeObservation(exchange));
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  #tell({ kind, severity, caller, tool, address, evidence }: AnomalyFinding): void {
    this.#parts.sink.emit({
      event: 'anomaly.detected',
      outcome: 'failure',
      ...(caller !== undefined && { caller }),
      ...(tool !== undefined && { tool }),
      address,
      reason: kind,
      severity,
      evidence,
    });
  }
}

/** Refusals for what a request is; how often it came (429), and what went wrong here (5xx), are no habit of a caller. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415]);

function describeObservation(exchange: Exchange): Observation {
  const { principal, error } = exchange;
  const isUnknown = error?.code === 'not_found';
  return {
    at_ms: exchange.now_ms,
    caller: principal?.id,
    credential: principal?.credential_digest,
    address: exchange.address,
    tool: exchange.tool?.id,
    unknown_tool: isUnknown ? exchange.asked_for : undefined,
    refused: error !== undefined && refusals.has(error.status),
    honeypot: exchange.honeypot,
    request_bytes: exchange.request_bytes,
    response_bytes: exchange.response_bytes,
  };
}

/**
 * Tells of every block, and of every one that is lifted before its time, wherever it was made: here or on another
 * replica. What a blocked caller has open ends: a stream would else outlast the block.
 */
function reportBlocks({ sink, blocks, endCalls }: AnomalyParts): void {
  let known: ReadonlyMap<string, Block> = new Map(blocks.list());
  blocks.onChange(() => {
    const now_ms = Date.now();
    const current = new Map(blocks.list());
    for (const [caller, { until_ms, reason }] of current) {
      if (known.get(caller)?.until_ms === until_ms) continue;
      const until = Number.isFinite(until_ms) ? { until: new Date(until_ms).toISOString() } : {};
      sink.emit({ event: 'caller.blocked', outcome: 'denied', caller, reason, ...until });
      endCalls(caller);
    }
    for (const [caller, { until_ms }] of known) {
      if (current.has(caller) || until_ms <= now_ms) continue;
      sink.emit({ event: 'caller.unblocked', outcome: 'success', caller, reason: 'operator' });
    }
    known = current;
  });
}
