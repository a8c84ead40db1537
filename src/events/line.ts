import type { Json } from '../core/index.js';
import type { SecurityEvent } from './event.js';
import { quote, renderJson } from './text.js';

/** A line longer than this would be split by log collectors; the free-form part of the event gives way. */
const maxDetailLength = 8192;

/**
 * An event as the members of a JSON object, without the closing brace, so that a hash chain can add its own. The order is
 * the contract's. Only fields named here are ever written.
 *
 * @param time ISO 8601
 */
export function renderEvent(event: SecurityEvent, time: string): string {
  let line = `{"time":"${time}","event":"${event.event}","outcome":"${event.outcome}"`;
  if (event.caller !== undefined) line += `,"caller":${quote(event.caller)}`;
  if (event.tool !== undefined) line += `,"tool":${quote(event.tool)}`;
  if (event.address !== undefined) line += `,"address":${quote(event.address)}`;
  if (event.request_id !== undefined) line += `,"request_id":${quote(event.request_id)}`;
  if (event.reason !== undefined) line += `,"reason":${quote(event.reason)}`;
  if (event.duration_ms !== undefined) line += number('duration_ms', Math.round(event.duration_ms * 1000) / 1000);
  line += text('manual_digest', event.manual_digest) + text('policy_digest', event.policy_digest);
  return line + renderDetails(event);
}

/** The fields that one kind of event alone has. */
function renderDetails(event: SecurityEvent): string {
  switch (event.event) {
    case 'auth.success':
      return text('credential', event.credential) + text('credential_id', event.credential_id);
    case 'manual.served':
      return text('manual', event.manual) + number('status', event.status) + number('tools', event.tools);
    case 'tool.call':
      return number('status', event.status) + json('arguments', event.arguments);
    case 'tool.denied':
      return text('severity', event.severity) + text('required_scope', event.required_scope);
    case 'input.rejected':
      return json('pointers', event.pointers);
    case 'limit.exceeded':
      return text('limit', event.limit) + number('retry_after', event.retry_after);
    case 'anomaly.detected':
      return text('severity', event.severity) + json('evidence', event.evidence);
    case 'caller.blocked':
      return text('until', event.until);
    case 'token.issued':
      return text('scope', event.scope) + text('jti', event.jti);
    case 'key.rotated':
      return text('key', event.key);
    case 'config.loaded':
      return text('config_digest', event.config_digest) + number('tools', event.tools);
    case 'config.rejected':
      return json('problems', event.problems);
    case 'upstream.failed':
      return text('upstream', event.upstream);
    case 'state.degraded':
    case 'state.restored':
      return text('store', event.store);
    case 'log.started':
      return number('torn_bytes', event.torn_bytes) + text('torn_sha256', event.torn_sha256);
    case 'log.checkpoint':
      return text('key', event.key) + text('signature', event.signature);
    case 'log.lost':
      return number('lost', event.lost);
    case 'worker.lost':
      return number('worker', event.worker);
    case 'auth.failure':
    case 'caller.unblocked':
      return '';
  }
}

function text(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quote(value)}`;
}

function number(name: string, value: number | undefined): string {
  return value === undefined ? '' : `,"${name}":${Number.isFinite(value) ? value : null}`;
}

function json(name: string, value: Json | undefined): string {
  if (value === undefined) return '';
  const rendered = renderJson(value);
  return `,"${name}":${rendered.length <= maxDetailLength ? rendered : `"[cut from ${rendered.length}]"`}`;
}
