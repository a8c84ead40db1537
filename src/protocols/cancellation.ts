import { type CancelReason, GatehouseError } from '../core/index.js';

/** The error of a call that was cancelled. */
export function describeCancel(reason: CancelReason): GatehouseError {
  switch (reason) {
    case 'client_aborted':
      return new GatehouseError('client_aborted');
    case 'draining':
      return new GatehouseError('draining', { retry_after: 1 });
    case 'caller_blocked':
      return new GatehouseError('caller_blocked', { detail: 'This caller is blocked for now.' });
    case 'credential_revoked':
      return new GatehouseError('invalid_token', { reason });
    case 'timeout':
      return new GatehouseError('upstream_timeout', { reason: 'deadline' });
  }
}
