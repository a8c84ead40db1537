import { type ManualEntry, manualEntrySchema } from '../../src/manual/config.js';
import type { ManualIo } from '../../src/manual/load.js';

/** A manual's configuration entry with what a test leaves out at its default. */
export function entryOf(overrides: Partial<ManualEntry> = {}): ManualEntry {
  return { ...manualEntrySchema.parse({ name: 'demo', source: 'demo.json' }), ...overrides };
}

/** Serves sources from memory, by path or URL. */
export function memoryIo(files: Readonly<Record<string, string>>): ManualIo {
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) return Promise.reject(Object.assign(new Error('absent'), { code: 'ENOENT' }));
    return Promise.resolve(new TextEncoder().encode(text));
  };
  return { readFile: read, readUrl: read, realPath: (path) => Promise.resolve(path) };
}
