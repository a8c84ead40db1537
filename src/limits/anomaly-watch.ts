import { type AnomalyFinding, createAnomalyDetector, type Observation } from './anomaly.js';
import type { AnomaliesConfig } from './anomaly-config.js';
import type { BlockList } from './blocks.js';
import { Webhook } from './webhook.js';

export interface AnomalyWatchOptions {
  readonly config: AnomaliesConfig;
  /** Who is to be blocked is put here; what listens to the list tells of it. */
  readonly blocks: BlockList;
  /** The value of `webhook.secret_variable`; without it no webhook is called. */
  readonly webhook_secret: string | undefined;
  /** Takes each finding, for the event `anomaly.detected`. */
  readonly onFinding: (finding: AnomalyFinding) => void;
  /** Takes a line of plain text when a message to the webhook is given up. */
  readonly report: (problem: string) => void;
}

/** Watches finished requests, and does what the configuration says about what is unusual. */
export interface AnomalyWatch {
  /** Never throws. */
  observe(observation: Observation): void;
  /** Sends what waits for the webhook, for at most its timeout. */
  close(): Promise<void>;
}

/** Sets the detector and its actions up. */
export function createAnomalyWatch(options: AnomalyWatchOptions): AnomalyWatch {
  const { config, webhook_secret: secret, report } = options;
  const detector = createAnomalyDetector(config);
  const webhook =
    config.webhook && secret !== undefined ? new Webhook({ config: config.webhook, secret, report }) : undefined;
  return {
    observe(observation) {
      for (const finding of detector.observe(observation)) act(options, webhook, finding, observation.at_ms);
    },
    async close() {
      await webhook?.close();
    },
  };
}

function act(
  { config, blocks, onFinding }: AnomalyWatchOptions,
  webhook: Webhook | undefined,
  finding: AnomalyFinding,
  at_ms: number,
): void {
  onFinding(finding);
  const actions = config.actions[finding.kind];
  if (!actions) return;
  if (actions.includes('webhook')) webhook?.send(toMessage(finding, at_ms));
  // Only a verified caller is blocked: an address may be shared with others.
  if (!actions.includes('block') || finding.caller === undefined || blocks.isBlocked(finding.caller, at_ms)) return;
  void blocks.block(finding.caller, at_ms + config.block_ms, finding.kind);
}

function toMessage(finding: AnomalyFinding, at_ms: number) {
  const { kind, severity, caller = null, tool = null, address, evidence } = finding;
  const time = new Date(at_ms).toISOString();
  return { event: 'anomaly.detected', time, reason: kind, severity, caller, tool, address, evidence };
}
