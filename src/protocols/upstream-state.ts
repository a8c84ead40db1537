import { GatehouseError } from '../core/index.js';
import { isUnreachable } from './http-fault.js';
import type { ProtocolDependencies, UpstreamHealth } from './protocol.js';
import { isRetryableStatus } from './retry.js';

/** Whether an upstream was there when last asked; says so when that changes. */
export class UpstreamState {
  /** `host:port`: what events and health call it. */
  readonly name: string;
  #reason: string | undefined;

  constructor(
    url: URL,
    readonly deps: ProtocolDependencies,
  ) {
    const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
    this.name = `${url.hostname}:${url.port || (isSecure ? '443' : '80')}`;
  }

  /** Takes a failure; the first after a success is reported. */
  markDown(reason: string, tool?: string): void {
    if (this.#reason === undefined) this.#report('failed', reason, tool);
    this.#reason = reason;
  }

  /** Takes a success; the first after a failure is reported. */
  markUp(tool?: string): void {
    if (this.#reason === undefined) return;
    this.#report('recovered', this.#reason, tool);
    this.#reason = undefined;
  }

  /** Takes what a request came to: who can't be reached or answers 502, 503 or 504 is down, any other answer is up. */
  record(outcome: GatehouseError | { readonly status: number }, tool?: string): void {
    if (outcome instanceof GatehouseError) {
      if (isUnreachable(outcome) || outcome.reason === 'tls_failed') this.markDown(outcome.reason, tool);
    } else if (isRetryableStatus(outcome.status)) this.markDown(`status_${outcome.status}`, tool);
    else this.markUp(tool);
  }

  #report(kind: 'failed' | 'recovered', reason: string, tool: string | undefined): void {
    this.deps.report({ kind, upstream: this.name, reason, ...(tool !== undefined && { tool }) });
  }

  health(): UpstreamHealth {
    if (this.#reason === undefined) return { upstream: this.name, state: 'up' };
    return { upstream: this.name, state: 'down', reason: this.#reason };
  }
}
