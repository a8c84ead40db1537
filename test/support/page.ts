import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { AuthoredTool } from '../../src/core/index.js';
import { readUtcpManual } from '../../src/manual/authored.js';
import { manualEntrySchema } from '../../src/manual/config.js';
import { parseDocument } from '../../src/manual/document.js';

/** The fenced YAML blocks of a page under docs/. */
export function readBlocks(page: string): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8');
  return [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
}

/** The tools of the example manual of a page: its first YAML block, loaded as a user's file would be. */
export function readExampleTools(page: string): readonly AuthoredTool[] {
  return readUtcpManual(parseDocument(readBlocks(page)[0] ?? '', page)).manual.tools;
}

/** The example configuration of a page: its second YAML block; throws unless its entries are valid. */
export function readExampleEntries(page: string) {
  return manualEntrySchema
    .array()
    .min(1)
    .parse(parse(readBlocks(page)[1] ?? '').manuals);
}
