import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../core/index.js';
import { replaceFile } from '../files/atomic-file.js';
import { type Block, type BlockList, MemoryBlockList } from './blocks.js';

export interface FileBlockListOptions {
  /** Absolute; made when the first block is. */
  readonly folder: string;
  /** Takes a line of plain text when the folder can't be written or read: blocks then hold in memory alone. */
  readonly report?: (problem: string) => void;
  /** How soon a change by another process is seen; default 250. */
  readonly poll_interval_ms?: number;
}

const entrySchema = z.strictObject({
  caller: z.string().min(1),
  /** Null: until it is lifted. */
  until: z.iso.datetime().nullable(),
  reason: z.string(),
});

/** A folder that changed so lately may change again within the same tick of the file system's clock. */
const settled_ms = 1000;
/** Files of blocks that are over stay so long, so that nobody takes away one that is just being written anew. */
const kept_ms = 86_400_000;

/**
 * A list that outlives the process, and that processes of one host share: a folder with one file a block. Each file is
 * put there or taken away whole, so two writers can't undo each other's work. It answers from memory: while the folder
 * can't be read, what was known goes on holding, and what can't be written is tried again at every look.
 */
export function openFileBlockList(options: FileBlockListOptions): BlockList {
  return new FileBlockList(options);
}

class FileBlockList extends MemoryBlockList {
  readonly #folder: string;
  readonly #report: (problem: string) => void;
  readonly #timer: NodeJS.Timeout;
  /** What was barred or freed here and the folder does not show yet. */
  readonly #unsaved = new Set<string>();
  #stamp = '';
  #troubled = false;

  constructor(options: FileBlockListOptions) {
    super();
    this.#folder = options.folder;
    this.#report = options.report ?? (() => undefined);
    this.#look();
    this.#timer = setInterval(() => this.#look(), options.poll_interval_ms ?? 250).unref();
  }

  override async block(id: string, until_ms: number, reason?: string): Promise<void> {
    this.#unsaved.add(id);
    await super.block(id, until_ms, reason);
    this.#trySave(id);
  }

  override async unblock(id: string): Promise<void> {
    this.#unsaved.add(id);
    await super.unblock(id);
    this.#trySave(id);
  }

  override async close(): Promise<void> {
    clearInterval(this.#timer);
    await super.close();
  }

  #trySave(id: string): void {
    try {
      saveBlock(this.#folder, id, this.blocks.get(id));
      this.#unsaved.delete(id);
      this.#troubled = false;
    } catch (error) {
      this.#complain('written', error);
    }
  }

  #look(): void {
    for (const id of this.#unsaved) this.#trySave(id);
    try {
      const stamp = stampOf(this.#folder);
      if (stamp === this.#stamp) return;
      const content = readFolder(this.#folder);
      this.#adopt(content);
      this.#stamp = stamp;
      if (content.unreadable.size > 0) throw new Error([...content.unreadable].join(', '));
      this.#troubled = false;
    } catch (error) {
      this.#complain('read', error);
    }
  }

  /** Follows the folder; what was changed here and not written yet is not overruled. */
  #adopt({ found, unreadable }: FolderContent): void {
    const now = Date.now();
    let changed = false;
    for (const id of this.list().keys()) {
      // A file that is there and says nothing readable lifts no block.
      if (found.has(id) || unreadable.has(fileName(id)) || this.#unsaved.has(id)) continue;
      changed = this.blocks.delete(id) || changed;
    }
    for (const [id, block] of found) {
      if (block.until_ms + kept_ms <= now) saveBlock(this.#folder, id, undefined);
      const known = this.blocks.get(id);
      const same = known?.until_ms === block.until_ms && known.reason === block.reason;
      if (same || block.until_ms <= now || this.#unsaved.has(id)) continue;
      this.blocks.set(id, block);
      changed = true;
    }
    if (changed) this.tell();
  }

  #complain(what: 'written' | 'read', error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#report(`Blocks cannot be ${what} in ${this.#folder}, and hold in memory alone (${why}).`);
  }
}

/** Puts a block into the folder, or takes it away when undefined. Throws the file system's error. */
function saveBlock(folder: string, id: string, block: Block | undefined): void {
  const file = join(folder, fileName(id));
  if (!block) {
    rmSync(file, { force: true });
    return;
  }
  const until = Number.isFinite(block.until_ms) ? new Date(block.until_ms).toISOString() : null;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(file, `${JSON.stringify({ caller: id, until, reason: block.reason })}\n`);
}

interface FolderContent {
  readonly found: ReadonlyMap<string, Block>;
  /** Names of files that hold no block. */
  readonly unreadable: ReadonlySet<string>;
}

/** Callers' names may hold anything, so files are named by digests. */
function fileName(id: string): string {
  return `${hash('sha256', id, 'hex').slice(0, 32)}.json`;
}

function stampOf(folder: string): string {
  const state = statSync(folder, { bigint: true, throwIfNoEntry: false });
  if (!state) return '';
  const isRecent = Date.now() - Number(state.mtimeMs) < settled_ms;
  return `${state.ino} ${state.mtimeNs}${isRecent ? ` ${performance.now()}` : ''}`;
}

function readFolder(folder: string): FolderContent {
  const found = new Map<string, Block>();
  const unreadable = new Set<string>();
  for (const name of readdirSync(folder)) {
    if (!/^[0-9a-f]{32}\.json$/.test(name)) continue;
    const entry = readEntry(join(folder, name));
    if (entry === 'gone') continue;
    if (entry === undefined || fileName(entry.caller) !== name) unreadable.add(name);
    else found.set(entry.caller, { until_ms: entry.until_ms, reason: entry.reason });
  }
  return { found, unreadable };
}

function readEntry(file: string): { caller: string; until_ms: number; reason: string } | 'gone' | undefined {
  try {
    const { caller, until, reason } = entrySchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return { caller, until_ms: until === null ? Number.POSITIVE_INFINITY : Date.parse(until), reason };
  } catch (error) {
    const isGone = codeOf(error) === 'ENOENT';
    return isGone ? 'gone' : undefined;
  }
}
