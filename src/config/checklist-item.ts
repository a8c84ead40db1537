import type { Tool } from '../core/index.js';
import type { LoadedConfig } from './load.js';

export type ChecklistStatus = 'pass' | 'fail' | 'not_applicable';

/** One thing that an answer rests on. */
export interface Evidence {
  readonly text: string;
  /** `manual.tool`, where it is about one. */
  readonly tool?: string;
  /** Where it stands: the tool's manual and its place there, or the configuration. */
  readonly file?: string;
  readonly pointer?: string;
  readonly line?: number;
}

/** One line of the security guide's checklists, answered for a configuration. */
export interface ChecklistItem {
  /** Stable, kebab case; a failure is the finding `checklist-<id>`. */
  readonly id: string;
  readonly list: 'provider' | 'consumer' | 'protocol';
  /** The guide's line. */
  readonly title: string;
  readonly status: ChecklistStatus;
  readonly evidence: readonly Evidence[];
  /** JSON pointer into the configuration. */
  readonly pointer: string;
  readonly mend: string;
}

/** What fails: a text about the whole, about one tool, or about a key of the configuration. */
export interface Failure {
  readonly text: string;
  readonly tool?: Tool;
  readonly pointer?: string;
}

/** An item before it is known whether it fails. */
export interface Draft extends Omit<ChecklistItem, 'list' | 'status' | 'evidence'> {
  readonly failures: readonly Failure[];
  /** What the answer rests on when nothing fails, or why the item does not apply. */
  readonly passes: string;
  readonly applies?: boolean;
}

export function settle(list: ChecklistItem['list'], draft: Draft, loaded: LoadedConfig): ChecklistItem {
  const { failures, passes, applies = true, ...item } = draft;
  if (!applies) return { ...item, list, status: 'not_applicable', evidence: [{ text: passes }] };
  if (failures.length === 0) return { ...item, list, status: 'pass', evidence: [{ text: passes }] };
  return { ...item, list, status: 'fail', evidence: failures.map((failure) => locate(failure, loaded)) };
}

function locate({ text, tool, pointer }: Failure, loaded: LoadedConfig): Evidence {
  if (tool) return { text: `${tool.id} ${text}`, tool: tool.id, ...placeOf(tool, loaded) };
  if (pointer === undefined) return { text };
  return { text, file: loaded.file, pointer, ...lineAt(loaded.lineOf(pointer)) };
}

// A tool that a manual's prefix renamed stands in its source without it.
function placeOf(tool: Tool, loaded: LoadedConfig): Pick<Evidence, 'file' | 'pointer' | 'line'> {
  const manual = loaded.manuals.find(({ entry }) => entry.name === tool.manual);
  const pointer = manual?.pointers.get(tool.name.slice(manual.entry.prefix.length));
  if (!manual || pointer === undefined) return {};
  return { file: manual.file, pointer, ...lineAt(manual.lineOf(pointer)) };
}

function lineAt(line: number | undefined): { readonly line?: number } {
  return line === undefined ? {} : { line };
}

/** The tools that something is wrong with, each as a failure with these words. */
export function failEach(tools: readonly Tool[], text: string): readonly Failure[] {
  return tools.map((tool) => ({ tool, text }));
}

/** A number with its noun: 1 tool, 2 tools. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
