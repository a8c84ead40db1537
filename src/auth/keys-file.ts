import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { type Finding, LoadError, toPointer } from '../core/index.js';
import type { KeyEntry } from './caller.js';
import { instant, sha256Hex } from './config.js';
import type { Revocation } from './revocations.js';

/** A key as the keys file holds it: its digest and its window, never the key. */
const filedKeySchema = z.strictObject({
  sha256: sha256Hex,
  created_at: instant.optional(),
  not_before: instant.optional(),
  expires_at: instant.optional(),
});
export type FiledKey = z.infer<typeof filedKeySchema>;

const keysFileSchema = z.strictObject({
  callers: z
    .record(
      z.string().min(1).max(200),
      z.strictObject({
        api_keys: z.strictObject({ current: filedKeySchema.optional(), next: filedKeySchema.optional() }).default({}),
      }),
    )
    .default({}),
  revoked: z
    .strictObject({
      keys: z.array(sha256Hex).default([]),
      callers: z.array(z.string().min(1)).default([]),
      jtis: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
});
export type KeysFile = z.infer<typeof keysFileSchema>;

/** The last line of a keys file, YAML's end of a document: a file that was cut while being written lacks it. */
const endMark = '...';

/**
 * Reads the text of a keys file. Throws LoadError, with line and pointer, for text that is not YAML, not whole (it does
 * not end with `...`), or not of the keys file's shape.
 */
export function parseKeysFile(text: string, file: string): KeysFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, schema: 'core' });
  if (!/(^|\n)\.\.\.\s*$/.test(text)) {
    throw new LoadError([describe(file, '', 'The file is cut off.', `Its last line has to be ${endMark}`)]);
  }
  const value = readValue(document);
  if (value === undefined) {
    const position = document.errors[0]?.pos[0];
    const line = position === undefined ? undefined : lines.linePos(position).line;
    throw new LoadError([describe(file, '', 'The text is not plain YAML.', 'Restore the last good file.', line)]);
  }
  const parsed = keysFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new LoadError(
    parsed.error.issues.map(({ path, message }) => {
      const node = document.getIn(path, true);
      const line = isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
      return describe(
        file,
        toPointer(...path.map(String)),
        message,
        'Restore the last good file, or make the key anew with `gatehouse keys`.',
        line,
      );
    }),
  );
}

// An alias could make a caller's keys another's by a slip, and the tool writes none.
function readValue(document: Document): unknown {
  if (document.errors.length > 0) return undefined;
  try {
    // A file of comments alone is an empty one.
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch {
    // The library refuses aliases by throwing.
    return undefined;
  }
}

/** The keys by caller, as the directory takes them. */
export function listKeys(content: KeysFile): ReadonlyMap<string, readonly KeyEntry[]> {
  return new Map(
    Object.entries(content.callers).map(([caller, { api_keys }]) => [
      caller,
      [api_keys.current, api_keys.next].filter((key) => key !== undefined),
    ]),
  );
}

/** What the file takes back, as the revocation list takes it. */
export function listRevocations({ revoked }: KeysFile): readonly Revocation[] {
  return [
    ...revoked.keys.map((hex) => ({ kind: 'key' as const, id: Buffer.from(hex, 'hex').toString('base64url') })),
    ...revoked.callers.map((id) => ({ kind: 'caller' as const, id })),
    ...revoked.jtis.map((id) => ({ kind: 'token' as const, id })),
  ];
}

function describe(file: string, pointer: string, message: string, mend: string, line?: number): Finding {
  const place = line === undefined ? {} : { line };
  return { rule: 'keys-file-unusable', severity: 'error', file, pointer, ...place, message, mend };
}
