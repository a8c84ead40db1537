import { type AuthoredManual, type AuthoredTool, isJsonObject, type Json, type JsonObject } from '../core/index.js';
import { diffSchemas } from './diff-schema.js';

/** A step of a semantic version (semver.org 2.0.0, 7 and 8). */
export type VersionStep = 'major' | 'minor' | 'patch' | 'none';

export type ChangeKind =
  | 'tool-added'
  | 'tool-removed'
  | 'input-narrowed'
  | 'input-widened'
  | 'output-narrowed'
  | 'output-widened'
  | 'description-changed'
  | 'tags-changed'
  | 'host-changed'
  | 'protocol-changed'
  | 'auth-changed'
  | 'permissions-changed'
  | 'template-changed'
  | 'version-changed'
  | 'size-changed';

export interface Change {
  readonly kind: ChangeKind;
  readonly tool?: string;
  /** JSON pointer inside the tool; empty for the whole of it. */
  readonly pointer: string;
  /** The step that this change owes by itself. */
  readonly step: VersionStep;
  /** In words; never quotes a credential. */
  readonly message: string;
  /** What an agent read before and reads now, where the change is one of a tool's own words. */
  readonly words?: { readonly before: string; readonly after: string };
}

export interface ManualDiff {
  readonly changes: readonly Change[];
  /** The step that `manual_version` owes for all changes together. */
  readonly owed: VersionStep;
  /** The step that it took; `backward` for a version that is lower than before, `unknown` for one that is no version. */
  readonly stated: VersionStep | 'backward' | 'unknown';
  /** Whether the stated step is at least the owed one. */
  readonly matches: boolean;
}

/**
 * Compares two versions of a manual by what they mean to a caller and to who approved the first. Text that an agent reads,
 * hosts, credentials and permissions are changes like any other: a manual swapped after review (CVE-2025-14542) shows here.
 */
export function diffManuals(before: AuthoredManual, after: AuthoredManual): ManualDiff {
  const old = new Map(before.tools.map((tool) => [tool.name, tool]));
  const fresh = new Map(after.tools.map((tool) => [tool.name, tool]));
  const changes: Change[] = [];
  for (const tool of before.tools) {
    const now = fresh.get(tool.name);
    if (now) changes.push(...diffTool(tool, now));
    else changes.push(change('tool-removed', tool.name, '', 'major', 'the tool is gone'));
  }
  for (const { name } of after.tools) {
    if (!old.has(name)) changes.push(change('tool-added', name, '', 'minor', 'the tool is new'));
  }
  if (before.utcp_version !== after.utcp_version) {
    const message = `utcp_version goes from ${before.utcp_version} to ${after.utcp_version}`;
    changes.push({ kind: 'version-changed', pointer: '/utcp_version', step: 'patch', message });
  }
  const owed = steps.find((step) => changes.some((one) => one.step === step)) ?? 'none';
  const stated = statedStep(before.manual_version, after.manual_version);
  return { changes, owed, stated, matches: suffices(stated, owed, before.manual_version) };
}

const steps = ['major', 'minor', 'patch'] as const;

function diffTool(before: AuthoredTool, after: AuthoredTool): readonly Change[] {
  const { name } = before;
  return [
    ...diffTexts(before, after),
    ...diffInputs(before, after),
    ...diffOutputs(before, after),
    ...diffTemplates(name, before.tool_call_template, after.tool_call_template),
    ...diffScopes(before, after),
  ];
}

function diffTexts(before: AuthoredTool, after: AuthoredTool): readonly Change[] {
  const { name } = before;
  const changes: Change[] = [];
  if (before.description !== after.description) {
    const words = { before: before.description, after: after.description };
    changes.push({ ...change('description-changed', name, '/description', 'patch', 'the description changed'), words });
  }
  const [old, fresh] = [new Set(before.tags), new Set(after.tags)];
  const lost = before.tags.filter((tag) => !fresh.has(tag));
  const won = after.tags.filter((tag) => !old.has(tag));
  if (lost.length > 0 || won.length > 0) {
    const parts = [won.length > 0 ? `new: ${won.join(', ')}` : '', lost.length > 0 ? `gone: ${lost.join(', ')}` : ''];
    const message = `the tags changed, and with them who may call by tag (${parts.filter(Boolean).join('; ')})`;
    changes.push(change('tags-changed', name, '/tags', 'minor', message));
  }
  if (before.average_response_size !== after.average_response_size) {
    changes.push(change('size-changed', name, '/average_response_size', 'patch', 'the average response size changed'));
  }
  return changes;
}

function diffInputs(before: AuthoredTool, after: AuthoredTool): readonly Change[] {
  return diffSchemas(before.inputs, after.inputs).map(({ kind, pointer, message }) => {
    const at = `/inputs${pointer}`;
    if (kind === 'described') return change('description-changed', before.name, at, 'patch', message);
    const step = kind === 'narrowed' ? 'major' : 'minor';
    return change(kind === 'narrowed' ? 'input-narrowed' : 'input-widened', before.name, at, step, message);
  });
}

// What a caller may rely on in an answer: promising more harms nobody, promising less does.
function diffOutputs(before: AuthoredTool, after: AuthoredTool): readonly Change[] {
  return diffSchemas(before.outputs ?? {}, after.outputs ?? {}).map(({ kind, pointer, message }) => {
    const at = `/outputs${pointer}`;
    if (kind === 'described') return change('description-changed', before.name, at, 'patch', message);
    const isNew = /^\/(?:.*\/)?properties\/[^/]+$/.test(pointer) && message.includes('is new');
    if (isNew) return change('output-narrowed', before.name, at, 'minor', message);
    const isGone = message.endsWith('is gone') && pointer.includes('/properties/');
    if (kind === 'narrowed' && !isGone) return change('output-narrowed', before.name, at, 'minor', message);
    return change('output-widened', before.name, at, 'major', message);
  });
}

function diffTemplates(name: string, before: JsonObject, after: JsonObject): readonly Change[] {
  const changes: Change[] = [];
  const at = '/tool_call_template';
  const [host, newHost] = [hostOf(before.url), hostOf(after.url)];
  if (host !== newHost) {
    const message = `calls go to ${newHost || 'no host'} instead of ${host || 'no host'}`;
    changes.push(change('host-changed', name, `${at}/url`, 'major', message));
  }
  const [tokens, newTokens] = [before.auth, after.auth].map((auth) => isJsonObject(auth) && hostOf(auth.token_url));
  if (tokens && newTokens && tokens !== newTokens) {
    const message = `credentials for tokens go to ${newTokens} instead of ${tokens}`;
    changes.push(change('host-changed', name, `${at}/auth/token_url`, 'major', message));
  }
  for (const field of ['call_template_type', 'http_method']) {
    if (equal(before[field], after[field])) continue;
    const message = `${field} goes from ${text(before[field])} to ${text(after[field])}`;
    changes.push(change('protocol-changed', name, `${at}/${field}`, 'major', message));
  }
  if (!equal(before.auth, after.auth)) {
    changes.push(change('auth-changed', name, `${at}/auth`, 'major', describeAuth(before.auth, after.auth)));
  }
  const told = new Set(['call_template_type', 'http_method', 'auth']);
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (told.has(field) || equal(before[field], after[field])) continue;
    if (field === 'url' && host !== newHost) continue;
    const weighs = programFields.has(field);
    const message = `${field} changed`;
    changes.push(change('template-changed', name, `${at}/${field}`, weighs ? 'major' : 'patch', message));
  }
  return changes;
}

/** Fields that decide what runs or what is reached; a caller cannot see them, who approved the manual must. */
const programFields = new Set([
  ...['command', 'args', 'commands', 'environment', 'working_directory', 'server_config', 'config'],
  ...['file_path', 'allowed_paths', 'verify_ssl'],
]);

function diffScopes(before: AuthoredTool, after: AuthoredTool): readonly Change[] {
  const [old, fresh] = [before.required_scopes ?? [], after.required_scopes ?? []];
  const won = fresh.filter((scope) => !old.includes(scope));
  const lost = old.filter((scope) => !fresh.includes(scope));
  const changes: Change[] = [];
  if (won.length > 0) {
    changes.push(change('permissions-changed', before.name, '', 'major', `needs the scope ${won.join(', ')}`));
  }
  if (lost.length > 0) {
    changes.push(
      change('permissions-changed', before.name, '', 'minor', `no longer needs the scope ${lost.join(', ')}`),
    );
  }
  return changes;
}

function describeAuth(before: Json | undefined, after: Json | undefined): string {
  if (before === undefined) return 'a credential is sent now';
  if (after === undefined) return 'no credential is sent any more';
  const [old, fresh] = [isJsonObject(before) ? before : {}, isJsonObject(after) ? after : {}];
  const fields = [...new Set([...Object.keys(old), ...Object.keys(fresh)])].filter(
    (key) => !equal(old[key], fresh[key]),
  );
  return `another credential is sent, or in another way (${fields.join(', ')})`;
}

function statedStep(before: string, after: string): ManualDiff['stated'] {
  const old = parseVersion(before);
  const fresh = parseVersion(after);
  if (before === after) return 'none';
  if (!old || !fresh) return 'unknown';
  for (const [index, step] of steps.entries()) {
    const [one = 0, other = 0] = [old[index], fresh[index]];
    if (one !== other) return other > one ? step : 'backward';
  }
  return 'patch';
}

function parseVersion(version: string): readonly number[] | undefined {
  const match = /^v?(\d+)(?:\.(\d+)(?:\.(\d+)(?:[-+].*)?)?)?$/.exec(version.trim());
  return match?.slice(1).map((part) => Number(part ?? 0));
}

// Below 1.0.0 a minor step may break (semver.org 2.0.0, 4).
function suffices(stated: ManualDiff['stated'], owed: VersionStep, before: string): boolean {
  if (stated === 'backward') return false;
  if (owed === 'none') return true;
  if (stated === 'unknown' || stated === 'none') return false;
  const isEarly = parseVersion(before)?.[0] === 0;
  const needed = isEarly && owed === 'major' ? 'minor' : owed;
  return steps.indexOf(stated) <= steps.indexOf(needed);
}

function hostOf(url: Json | undefined): string {
  return typeof url === 'string'
    ? (/^\w+:\/\/[^/?#]*/
        .exec(url)?.[0]
        .replace(/\/\/[^/]*@/, '//')
        .toLowerCase() ?? '')
    : '';
}

function equal(one: Json | undefined, other: Json | undefined): boolean {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : 'nothing';
}

function change(kind: ChangeKind, tool: string, pointer: string, step: VersionStep, message: string): Change {
  return { kind, tool, pointer, step, message };
}
