import { isMap, isSeq, parseDocument as parseYamlDocument } from 'yaml';
import { isJsonObject, type Json } from '../../core/index.js';
import { parsePointer } from '../document.js';
import type { Fix, LintFinding } from './rule.js';

/** A mended text, and which findings are mended in it. */
export interface FixedText {
  readonly text: string;
  readonly fixed: readonly LintFinding[];
}

/**
 * Applies the safe fixes of findings to the text that they are of. JSON keeps its indentation, YAML its comments. Where two
 * fixes touch the same place the outer one is applied and the rest are left to the next run.
 */
export function fixText(text: string, findings: readonly LintFinding[]): FixedText {
  const fixed = chooseFixes(findings);
  if (fixed.length === 0) return { text, fixed };
  return { text: /^\s*[{[]/.test(text) ? fixJson(text, fixed) : fixYaml(text, fixed), fixed };
}

function chooseFixes(findings: readonly LintFinding[]): readonly LintFinding[] {
  const chosen: LintFinding[] = [];
  const outermost = findings.filter(({ fix }) => fix).sort((one, other) => one.pointer.length - other.pointer.length);
  for (const finding of outermost) {
    const taken = chosen.some(
      ({ pointer }) => finding.pointer === pointer || finding.pointer.startsWith(`${pointer}/`),
    );
    if (!taken) chosen.push(finding);
  }
  return chosen;
}

function fixJson(text: string, findings: readonly LintFinding[]): string {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1];
  let value: Json = JSON.parse(text);
  for (const { fix } of findings) if (fix) value = change(value, parsePointer(fix.pointer), fix);
  return JSON.stringify(value, undefined, indent) + (text.endsWith('\n') ? '\n' : '');
}

function change(value: Json, [token, ...rest]: readonly string[], fix: Fix): Json {
  if (token === undefined) return 'value' in fix ? fix.value : value;
  const removes = rest.length === 0 && 'remove' in fix;
  if (Array.isArray(value)) {
    const index = Number(token);
    if (removes) return value.filter((_item, at) => at !== index);
    return value.map((item: Json, at) => (at === index ? change(item, rest, fix) : item));
  }
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value);
  if (removes) return Object.fromEntries(members.filter(([name]) => name !== token));
  return Object.fromEntries(
    members.map(([name, member]) => [name, name === token ? change(member, rest, fix) : member]),
  );
}

function fixYaml(text: string, findings: readonly LintFinding[]): string {
  const document = parseYamlDocument(text);
  for (const { fix } of findings) {
    if (!fix) continue;
    const path = toKeys(document.contents, parsePointer(fix.pointer));
    if ('remove' in fix) document.deleteIn(path);
    else document.setIn(path, fix.value);
  }
  return document.toString({ lineWidth: 0 });
}

// In YAML a name may be a number, and a list's index has to be one.
function toKeys(root: unknown, tokens: readonly string[]): readonly unknown[] {
  const keys: unknown[] = [];
  let node = root;
  for (const token of tokens) {
    const key: unknown = isSeq(node) ? Number(token) : token;
    keys.push(key);
    node = isMap(node) || isSeq(node) ? node.get(key, true) : undefined;
  }
  return keys;
}
