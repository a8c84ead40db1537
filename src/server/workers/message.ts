import type { Finding } from '../../core/index.js';
import type { EventSinkState, SecurityEvent } from '../../events/index.js';
import type { Block, Limit, LimitDecision } from '../../limits/index.js';
import type { Readiness } from '../admin.js';
import type { FixedSections } from '../load-refusal.js';

/** The counters of the state: each limiter is one. */
export type LimiterName = 'limiter' | 'addressLimiter';
export type ListName = 'blocks' | 'revocations';

export interface Ask {
  readonly id: number;
  readonly limiter: LimiterName;
  readonly mode: 'take' | 'peek';
  readonly limits: readonly Limit[];
}

export interface Answer {
  readonly id: number;
  readonly decision: LimitDecision;
}

/** How the log fares, as a worker has to know. */
export interface LogState extends EventSinkState {
  readonly accepting: boolean;
}

/** What a worker says. */
export type WorkerMessage =
  /** It listens to the primary now; what is said before is lost. */
  | { readonly kind: 'hello' }
  | {
      readonly kind: 'ready';
      readonly url: string;
      readonly listener_url: string;
      readonly notices: readonly Finding[];
    }
  /** It could not start; `code` is the system's, of a port that can't be opened. */
  | { readonly kind: 'failed'; readonly findings: readonly Finding[]; readonly code: string }
  | { readonly kind: 'asks'; readonly asks: readonly Ask[] }
  | { readonly kind: 'events'; readonly events: readonly SecurityEvent[]; readonly lost: number }
  | { readonly kind: 'block'; readonly list: ListName; readonly id: string; readonly block: Block | undefined }
  | { readonly kind: 'prepared'; readonly id: number; readonly digest: string; readonly findings: readonly Finding[] }
  | {
      readonly kind: 'report';
      readonly id: number;
      readonly metrics: string;
      readonly readiness: Readiness;
    };

/** What a worker begins with. */
export interface WorkerStart {
  readonly kind: 'start';
  /** Passed through from the command line. */
  readonly given: Readonly<Record<string, string>>;
  /** Settings that are read at the start alone, so that a worker that is started later has the same as the first. */
  readonly fixed: FixedSections;
  readonly log: LogState;
  readonly blocks: readonly (readonly [string, Block])[];
  readonly revocations: readonly (readonly [string, Block])[];
}

/** What the primary says. */
export type PrimaryMessage =
  | WorkerStart
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'recorded'; readonly log: LogState }
  | { readonly kind: 'log'; readonly log: LogState }
  | { readonly kind: 'block'; readonly list: ListName; readonly id: string; readonly block: Block | undefined }
  | { readonly kind: 'prepare' | 'commit' | 'abandon' | 'report'; readonly id: number }
  | { readonly kind: 'stop'; readonly at_once: boolean };

/** Whether a message is of this conversation; both ends are this program, and nobody else has the channel. */
export function isMessage<Message extends { readonly kind: string }>(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'kind' in message && typeof message.kind === 'string';
}

/** Events that every worker has to tell of one change to all; they are recorded from one of them. */
export function isCommon(event: SecurityEvent): boolean {
  const common = ['config.loaded', 'key.rotated', 'config.rejected', 'caller.blocked', 'caller.unblocked'];
  return event.request_id === undefined && common.includes(event.event);
}
