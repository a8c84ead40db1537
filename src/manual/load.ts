import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type AuthoredManual, type Finding, isJsonObject, LoadError } from '../core/index.js';
import { type ReadManual, readUtcpManual } from './authored.js';
import type { ManualEntry } from './config.js';
import { parseDocument, type SourceDocument } from './document.js';

/** How a manual's source is fetched; handed in, so that the URL guard decides about addresses and tests about files. */
export interface ManualIo {
  readFile(path: string): Promise<Uint8Array>;
  readUrl(url: string): Promise<Uint8Array>;
}

/** A manual as loaded from its configured source. */
export interface LoadedManual {
  readonly manual: AuthoredManual;
  /** What was dropped, renamed, assumed or could not be carried. Errors are thrown. */
  readonly notices: readonly Finding[];
  readonly kind: 'utcp' | 'utcp-0.1' | 'openapi';
  /** SHA-256 of the source's bytes, hexadecimal. */
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
  const { manual, notices, kind, pointers } = await readManual(document, entry);
  return {
    manual,
    notices,
    kind,
    digest: createHash('sha256').update(bytes).digest('hex'),
    file: entry.source,
    base_dir: remote ? baseDir : dirname(path),
    pointers,
    lineOf: (pointer) => document.lineOf(pointer),
  };
}

/** Says whether a source is a URL to fetch. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

async function readManual(document: SourceDocument, entry: ManualEntry): Promise<ReadManual> {
  const { value } = document;
  if (isJsonObject(value) && 'tools' in value) return readUtcpManual(document);
  throw LoadError.of({
    rule: 'manual-unknown-kind',
    file: document.file,
    pointer: '',
    line: 1,
    message: `${entry.name} is neither a UTCP manual nor an OpenAPI document.`,
    mend: 'A UTCP manual has tools; an OpenAPI document has openapi or swagger, and paths.',
  });
}

async function readSource(source: string, path: string, remote: boolean, io: ManualIo): Promise<Uint8Array> {
  try {
    return remote ? await io.readUrl(path) : await io.readFile(path);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const reason = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw unreadable(source, `The source cannot be read${reason}.`, 'Check that it is there and readable.');
  }
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(file, 'The source is not UTF-8.', 'Save it as UTF-8.');
  }
}

function unreadable(file: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'document-unreadable', file, pointer: '', message, mend });
}
