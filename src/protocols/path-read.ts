import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { GatehouseError } from '../core/index.js';
import { isInside, isKernelPath } from './path.js';

/** What may be read. */
export interface ReadRule {
  /** The allowed directories as they are written, absolute: a path outside them is refused without touching the disk. */
  readonly written: readonly string[];
  /** The same, without symbolic links: where the file that was opened must be. */
  readonly resolved: readonly string[];
  /** Lower case with the dot; undefined allows every extension. */
  readonly extensions: ReadonlySet<string> | undefined;
  /** Whole bytes. */
  readonly max_bytes: number;
}

// A link in the last place is refused since the path is resolved by then; a FIFO or terminal must not hold the call.
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const smallestChunk = 4096;

/**
 * Reads a file whose resolved path is inside an allowed directory. Throws GatehouseError `path_not_allowed` (outside,
 * extension, not a regular file) or `upstream_too_large`, and the error of the file system (`code` ENOENT, EACCES, …)
 * when the path leads nowhere.
 */
export async function readInside(path: string, rule: ReadRule): Promise<Buffer> {
  const wanted = resolve(path);
  if (!isInside(wanted, rule.written) && !isInside(wanted, rule.resolved)) throw notAllowed('outside');
  const real = await realpath(wanted);
  requireAllowed(real, rule);
  if (!(await lstat(real)).isFile()) throw notAllowed('not_a_file');
  return readOpened(real, rule);
}

/**
 * Opens a resolved path and reads it through that one descriptor. The path may have been swapped since it was resolved:
 * what counts is where the file that is now open stands.
 */
export async function readOpened(real: string, rule: ReadRule): Promise<Buffer> {
  const handle = await open(real, openFlags);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAllowed('not_a_file');
    requireAllowed(await locate(handle, real, stats), rule);
    if (stats.size > rule.max_bytes) throw new GatehouseError('upstream_too_large');
    return await readCapped(handle, stats.size, rule.max_bytes);
  } finally {
    await handle.close();
  }
}

function requireAllowed(real: string, rule: ReadRule): void {
  if (!isInside(real, rule.resolved) || isKernelPath(real)) throw notAllowed('outside');
  if (rule.extensions && !rule.extensions.has(extname(real).toLowerCase())) throw notAllowed('extension');
}

/** Where an open file stands: the kernel's own word on Linux, elsewhere a second look that must find the same file. */
async function locate(handle: FileHandle, path: string, opened: Stats): Promise<string> {
  if (process.platform === 'linux') {
    const told = await readlink(`/proc/self/fd/${handle.fd}`);
    // What an atomic save has replaced since it was opened is still the file that was asked for.
    return opened.nlink === 0 ? told.replace(/ \(deleted\)$/, '') : told;
  }
  const real = await realpath(path);
  const found = await lstat(real);
  if (found.dev !== opened.dev || found.ino !== opened.ino) throw notAllowed('swapped');
  return real;
}

async function readCapped(handle: FileHandle, size: number, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.min(Math.max(size - total + 1, smallestChunk), maxBytes - total + 1));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks, total);
    total += bytesRead;
    if (total > maxBytes) throw new GatehouseError('upstream_too_large');
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

/** A refusal that names no path; the reason is for the security event alone. */
export function notAllowed(reason: 'outside' | 'extension' | 'not_a_file' | 'swapped' | 'characters'): GatehouseError {
  return new GatehouseError('path_not_allowed', { reason: `path_${reason}` });
}
