import { hash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { LoadError } from '../core/index.js';
import { type ChainHead, chainStart, parseRecord } from './chain.js';
import type { SecurityEvent } from './event.js';

/** Where a chain goes on after what a file holds. */
export interface Resumption {
  readonly head: ChainHead;
  /** Ends an unfinished line, so that the next one starts on its own; else empty. */
  readonly before: string;
  /** The first record to write. */
  readonly opening: Extract<SecurityEvent, { event: 'log.started' }>;
}

/** More than the longest line that is ever written. */
const tailBytes = 262_144;

/**
 * Finds the end of the chain in the log that is to be continued, or in the file that a rotation has just put aside. What
 * a crash left of an unfinished line stays where it is, and the opening record says its length and digest.
 */
export function resumeChain(path: string | undefined): Resumption {
  const current = path === undefined ? '' : readTail(path);
  const lines = current.split('\n');
  const last = lines.pop() ?? '';
  const unended = last === '' ? undefined : parseRecord(last);
  const head = unended?.intact ? unended : (findHead(lines) ?? (path && findHead(readTail(`${path}.1`).split('\n'))));
  if (!head) return { head: chainStart, before: last && '\n', opening: started('new_chain', last) };
  if (last === '' || unended?.intact) return { head, before: last && '\n', opening: started('resumed', '') };
  return { head, before: '\n', opening: started('resumed_after_tear', last) };
}

function started(reason: string, torn: string): Resumption['opening'] {
  const opening = { event: 'log.started', outcome: 'success', reason } as const;
  if (torn === '') return opening;
  return { ...opening, torn_bytes: torn.length, torn_sha256: hash('sha256', Buffer.from(torn, 'latin1'), 'base64url') };
}

function findHead(lines: readonly string[]): ChainHead | undefined {
  for (const line of lines.toReversed()) {
    const record = parseRecord(line);
    if (record?.intact) return record;
  }
  return undefined;
}

/** The end of a file, one character a byte; empty when there is no such file. */
function readTail(path: string): string {
  if (!existsSync(path)) return '';
  const fd = openToRead(path);
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('latin1', 0, read);
  } finally {
    closeSync(fd);
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    throw LoadError.of({
      rule: 'security-log-unreadable',
      file: path,
      pointer: '',
      message: 'The security log cannot be read, so its hash chain cannot be continued.',
      mend: 'Make it readable for this user, or put it aside for a new chain to begin.',
    });
  }
}
