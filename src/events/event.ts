import type { Json } from '../core/index.js';

export type Outcome = 'success' | 'failure' | 'denied';
export type EventSeverity = 'info' | 'warning' | 'error' | 'critical';

interface EventBase {
  readonly outcome: Outcome;
  readonly caller?: string | undefined;
  readonly tool?: string | undefined;
  readonly address?: string | undefined;
  readonly request_id?: string | undefined;
  /** A code, never free text. */
  readonly reason?: string | undefined;
  /** Milliseconds, with fractions. */
  readonly duration_ms?: number | undefined;
  /** Of calls: which manual and which policy decided. */
  readonly manual_digest?: string | undefined;
  readonly policy_digest?: string | undefined;
}

type CallEvent = EventBase;

/** Every security event: a closed union, so that the compiler asks the emitter and the docs test for each new member. */
export type SecurityEvent =
  | (EventBase & {
      readonly event: 'auth.success';
      readonly credential: string;
      /** The first hexadecimal digits of the credential's SHA-256, as `gatehouse keys list` shows them. */
      readonly credential_id?: string;
    })
  | (EventBase & { readonly event: 'auth.failure' })
  | (EventBase & {
      readonly event: 'manual.served';
      readonly manual?: string | undefined;
      readonly status: number;
      readonly tools: number;
    })
  | (CallEvent & {
      readonly event: 'tool.call';
      readonly status: number;
      /** Opted in field by field (`log_arguments`); absent otherwise. */
      readonly arguments?: { readonly [name: string]: Json } | undefined;
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
  | (EventBase & { readonly event: 'caller.unblocked' })
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
  | (EventBase & { readonly event: 'upstream.failed'; readonly upstream: string })
  | (EventBase & { readonly event: 'state.degraded' | 'state.restored'; readonly store: string })
  | (EventBase & {
      readonly event: 'log.started';
      /** What a crash left of an unfinished line: its length, and its SHA-256 in base64url. */
      readonly torn_bytes?: number;
      readonly torn_sha256?: string;
    })
  | (EventBase & {
      readonly event: 'log.checkpoint';
      /** Names the public key; the signature covers the record before, and so all before it. */
      readonly key: string;
      readonly signature: string;
    })
  | (EventBase & { readonly event: 'log.lost'; readonly lost: number })
  | (EventBase & { readonly event: 'worker.lost'; readonly worker: number });

export type EventName = SecurityEvent['event'];

/** Each event has a section in docs/events.md. */
export const eventNames: readonly string[] = Object.keys({
  'auth.success': true,
  'auth.failure': true,
  'manual.served': true,
  'tool.call': true,
  'tool.denied': true,
  'input.rejected': true,
  'limit.exceeded': true,
  'anomaly.detected': true,
  'caller.blocked': true,
  'caller.unblocked': true,
  'token.issued': true,
  'key.rotated': true,
  'config.loaded': true,
  'config.rejected': true,
  'upstream.failed': true,
  'state.degraded': true,
  'state.restored': true,
  'log.started': true,
  'log.checkpoint': true,
  'log.lost': true,
  'worker.lost': true,
} satisfies Record<EventName, true>);

/** How the destination of events fares. */
export interface EventSinkState {
  readonly status: 'ok' | 'failing';
  /** Events that could not be kept since the start. */
  readonly lost: number;
}

/** Where events go. Emitting never throws; docs/failure-modes.md says what happens when the destination fails. */
export interface EventSink {
  emit(event: SecurityEvent): void;
  /** False while the destination fails and the configuration says `on_failure: refuse`: requests are refused (503). */
  readonly accepting: boolean;
  state(): EventSinkState;
  /** Resolves when all that was emitted is written. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
