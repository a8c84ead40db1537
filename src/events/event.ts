import type { Json } from '../core/index.js';

export type Outcome = 'success' | 'failure' | 'denied';
export type EventSeverity = 'info' | 'warning' | 'error' | 'critical';

interface EventBase {
  readonly outcome: Outcome;
  readonly caller?: string;
  readonly tool?: string;
  readonly address?: string;
  readonly request_id?: string;
  /** A code, never free text. */
  readonly reason?: string;
  /** Milliseconds, with fractions. */
  readonly duration_ms?: number;
}

interface CallEvent extends EventBase {
  readonly manual_digest?: string;
  readonly policy_digest?: string;
}

/** Every security event: a closed union, so that the compiler asks the emitter and the docs test for each new member. */
export type SecurityEvent =
  | (EventBase & { readonly event: 'auth.success'; readonly credential: string })
  | (EventBase & { readonly event: 'auth.failure' })
  | (EventBase & {
      readonly event: 'manual.served';
      readonly manual?: string;
      readonly status: number;
      readonly tools: number;
    })
  | (CallEvent & {
      readonly event: 'tool.call';
      readonly status: number;
      /** Opted in field by field (`log_arguments`); absent otherwise. */
      readonly arguments?: { readonly [name: string]: Json };
    })
  | (CallEvent & { readonly event: 'tool.denied'; readonly severity?: EventSeverity; readonly required_scope?: string })
  | (CallEvent & { readonly event: 'input.rejected'; readonly pointers?: readonly string[] })
  | (CallEvent & { readonly event: 'limit.exceeded'; readonly limit: string; readonly retry_after: number })
  | (EventBase & {
      readonly event: 'anomaly.detected';
      readonly severity: EventSeverity;
      readonly evidence: { readonly [name: string]: Json };
    })
  | (EventBase & { readonly event: 'caller.blocked'; readonly until?: string })
  | (EventBase & { readonly event: 'token.issued'; readonly scope: string; readonly jti: string })
  | (EventBase & { readonly event: 'key.rotated'; readonly key?: string })
  | (EventBase & {
      readonly event: 'config.loaded';
      readonly config_digest: string;
      readonly manual_digest: string;
      readonly policy_digest: string;
      readonly tools: number;
    })
  | (EventBase & { readonly event: 'config.rejected'; readonly problems: readonly string[] })
  | (EventBase & { readonly event: 'upstream.failed'; readonly upstream: string });

export type EventName = SecurityEvent['event'];

/** Where events go. Emitting never throws; docs/failure-modes.md says what happens when the destination fails. */
export interface EventSink {
  emit(event: SecurityEvent): void;
  /** Resolves when all that was emitted is written. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
