import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type AuthoredManual, codeOf, type Finding, isJsonObject, LoadError } from '../core/index.js';
import { type ReadManual, readUtcpManual } from './authored.js';
import type { ManualEntry } from './config.js';
import { parseDocument, type SourceDocument } from './document.js';
import { importOpenApiDocument, isOpenApi } from './openapi/import.js';

/** How a manual's source is fetched; handed in, so that the URL guard decides about addresses and tests about files. */
export interface ManualIo {
  readFile(path: string): Promise<Uint8Array>;
  readUrl(url: string): Promise<Uint8Array>;
  /** The path after symbolic links: what an OpenAPI document refers to must lie in its own folder. */
  realPath(path: string): Promise<string>;
}

/** A manual as loaded from its configured source. */
export interface LoadedManual {
  readonly manual: AuthoredManual;
  /** What was dropped, renamed, assumed or could not be carried. Errors are thrown. */
  readonly notices: readonly Finding[];
  readonly kind: 'utcp' | 'utcp-0.1' | 'openapi';
  /** SHA-256 of the source's bytes, hexadecimal; of all of them where an OpenAPI document spans several files. */
  readonly digest: string;
  /** The source as the user named it. */
  readonly file: string;
  /** Folder that relative paths of templates resolve against; the base folder for a source that is a URL. */
  readonly base_dir: string;
  /** JSON pointers into the source, by tool name. */
  readonly pointers: ReadonlyMap<string, string>;
  /** The line of a pointer in the source. */
  lineOf(pointer: string): number | undefined;
}

/** Reads files of this machine and no URL. */
export const fileIo: ManualIo = {
  readFile: (path) => readFile(path),
  realPath: (path) => realpath(path),
  readUrl: (url) => Promise.reject(unreadable(url, 'No URL is read here.', 'Save the document to a file.')),
};

/**
 * Loads a manual: UTCP 1.x or 0.1, or OpenAPI 2, 3.0, 3.1; JSON or YAML. Throws LoadError with every problem, each with
 * file, pointer, line, message and mend.
 */
export async function loadManual(entry: ManualEntry, baseDir: string, io: ManualIo = fileIo): Promise<LoadedManual> {
  const remote = isUrl(entry.source);
  const path = remote ? entry.source : resolve(baseDir, entry.source);
  const bytes = await readSource(entry.source, path, remote, io);
  const document = parseDocument(decode(bytes, entry.source), entry.source);
  const read = isOpenApi(document.value)
    ? await readOpenApi(document, entry, remote ? undefined : path, io)
    : { ...readUtcp(document, entry), attached: [] };
  const digest = createHash('sha256').update(bytes);
  for (const text of read.attached) digest.update(text);
  return {
    manual: read.manual,
    notices: read.notices,
    kind: read.kind,
    digest: digest.digest('hex'),
    file: entry.source,
    base_dir: remote ? baseDir : dirname(path),
    pointers: read.pointers,
    lineOf: (pointer) => document.lineOf(pointer),
  };
}

/** Says whether a source is a URL to fetch. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

async function readOpenApi(
  document: SourceDocument,
  entry: ManualEntry,
  path: string | undefined,
  io: ManualIo,
): Promise<ReadManual & { readonly attached: readonly string[] }> {
  const { manual, findings, pointers, attached } = await importOpenApiDocument(document, {
    name: entry.name,
    file: entry.source,
    path,
    source_url: path === undefined ? entry.source : undefined,
    base_url: entry.base_url,
    allow_private_hosts: entry.allow_private_hosts,
    include: entry.include,
    exclude: entry.exclude,
    upstream_auth: entry.upstream_auth,
    io: { realPath: io.realPath, readText: async (file) => decode(await io.readFile(file), file) },
  });
  return { manual, notices: findings, kind: 'openapi', pointers, attached };
}

function readUtcp(document: SourceDocument, entry: ManualEntry): ReadManual {
  const { value } = document;
  if (!isJsonObject(value) || !('tools' in value)) {
    throw LoadError.of({
      rule: 'manual-unknown-kind',
      file: document.file,
      pointer: '',
      line: 1,
      message: `${entry.name} is neither a UTCP manual nor an OpenAPI document.`,
      mend: 'A UTCP manual has tools; an OpenAPI document has openapi or swagger, and paths.',
    });
  }
  const read = readUtcpManual(document);
  const unused = (['base_url', 'include', 'exclude'] as const).filter((key) => entry[key] !== undefined);
  if (unused.length === 0) return read;
  // A filter that does nothing would leave tools served that its author meant to leave out.
  throw LoadError.of({
    rule: 'manual-openapi-setting',
    file: document.file,
    pointer: '',
    message: `${unused.join(', ')} of ${entry.name} is for OpenAPI documents, and this is a UTCP manual.`,
    mend: 'Take the setting out; leave tools out of the manual or of the policy.',
  });
}

/** The text of a document that a user names by path or URL. Throws LoadError that says why it cannot be read. */
export async function readSourceText(source: string, baseDir: string, io: ManualIo): Promise<string> {
  const remote = isUrl(source);
  return decode(await readSource(source, remote ? source : resolve(baseDir, source), remote, io), source);
}

async function readSource(source: string, path: string, remote: boolean, io: ManualIo): Promise<Uint8Array> {
  try {
    return remote ? await io.readUrl(path) : await io.readFile(path);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const code = codeOf(error);
    const reason = code === undefined ? '' : ` (${code})`;
    throw unreadable(source, `The source cannot be read${reason}.`, 'Check that it is there and readable.');
  }
}

function decode(bytes: Uint8Array, file: string): string {
  if (!isUtf8(bytes)) throw unreadable(file, 'The source is not UTF-8.', 'Save it as UTF-8.');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function unreadable(file: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'document-unreadable', file, pointer: '', message, mend });
}
