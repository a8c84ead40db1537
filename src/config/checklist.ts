import type { Finding } from '../core/index.js';
import { answerConsumer } from './checklist-consumer.js';
import { type ChecklistItem, settle } from './checklist-item.js';
import { answerProtocols } from './checklist-protocols.js';
import { answerProvider } from './checklist-provider.js';
import type { LoadedConfig } from './load.js';

/** Answers the guide's Tool Provider, Tool Consumer and Protocol-Specific checklists for a loaded configuration. */
export function answerChecklist(loaded: LoadedConfig): readonly ChecklistItem[] {
  return [
    ...answerProvider(loaded).map((draft) => settle('provider', draft, loaded)),
    ...answerConsumer(loaded).map((draft) => settle('consumer', draft, loaded)),
    ...answerProtocols(loaded).map((draft) => settle('protocol', draft, loaded)),
  ];
}

/** The failures of a checklist as findings, one for each tool or key that fails. */
export function describeChecklist(items: readonly ChecklistItem[], loaded: LoadedConfig): readonly Finding[] {
  return items.flatMap((item) => {
    if (item.status !== 'fail') return [];
    const own = { file: loaded.file, pointer: item.pointer, line: loaded.lineOf(item.pointer) };
    return item.evidence.map(({ text, file, pointer = '', line }) => {
      const place = file === undefined ? own : { file, pointer, line };
      return {
        rule: `checklist-${item.id}`,
        severity: 'error' as const,
        file: place.file,
        pointer: place.pointer,
        ...(place.line !== undefined && { line: place.line }),
        message: `${item.title}: ${text}.`,
        mend: item.mend,
      };
    });
  });
}
