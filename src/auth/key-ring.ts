import { existsSync, readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { LoadError } from '../core/index.js';
import { createFile, replaceFile } from '../files/atomic-file.js';
import type { KeyAnswer, KeySource } from './key-source.js';
import {
  exportSigningKey,
  generateSigningKey,
  type IssuerAlgorithm,
  importSigningKey,
  publishKey,
  type SigningKey,
  storedKeySchema,
} from './signing-key.js';
import type { SigningAlgorithm } from './token-form.js';

export type KeyFileProblem = 'key_file_unreadable' | 'key_file_unwritable';

export interface KeyRingOptions {
  readonly algorithm: IssuerAlgorithm;
  /** Milliseconds that one key signs. */
  readonly rotation_ms: number;
  /** Milliseconds for which a token that a key signed may still arrive. */
  readonly lifetime_ms: number;
  /** Where replicas share the keys; absent: in memory, and tokens end with the process. */
  readonly key_file?: string;
  readonly now?: () => number;
  /** A new key was made; it signs from the next rotation on. */
  readonly on_new_key?: (kid: string) => void;
  /** The key file could not be read or written; the keys at hand go on. Told once until it changes. */
  readonly on_problem?: (problem: KeyFileProblem) => void;
}

const storedRing = z.strictObject({ keys: z.array(storedKeySchema).min(1).max(100) });
/** Milliseconds between two looks at the key file. */
const recheck_ms = 1000;
/** Milliseconds until a key file that could not be written is tried again. */
const retry_ms = 60_000;

/**
 * The built-in issuer's signing keys: those that have signed tokens which are still alive, the one that signs, and the
 * next one, published a rotation ahead. Replicas with one key file need no lock: a key stands in the file long before it
 * signs, each replica looks at the file once a second, and of two that were added at once the one that stayed is used.
 */
export class KeyRing implements KeySource {
  readonly #options: KeyRingOptions;
  readonly #now: () => number;
  #keys: readonly SigningKey[] = [];
  #checkedAt = Number.NEGATIVE_INFINITY;
  #stamp = '';
  #writeAfter = Number.NEGATIVE_INFINITY;
  #problem: KeyFileProblem | undefined;

  /** Reads or makes the key file. Throws LoadError when it is there and can't be used, or can't be made. */
  constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#keys = advanceRing([], this.#now(), options);
    if (options.key_file !== undefined) this.#open(options.key_file);
  }

  /** The key that signs now. */
  current(): SigningKey {
    this.#refresh();
    const now = this.#now();
    const key = this.#keys.findLast((candidate) => candidate.use_from <= now) ?? this.#keys[0];
    if (!key) throw new Error('The key ring is empty.');
    return key;
  }

  /** The published JWK Set (RFC 7517): past keys whose tokens live, the current one and the next. */
  publish(): { readonly keys: readonly Readonly<Record<string, string>>[] } {
    this.#refresh();
    return { keys: this.#keys.map(publishKey) };
  }

  find(keyId: string | undefined, algorithm: SigningAlgorithm): KeyAnswer {
    this.#refresh();
    const key = this.#keys.find((candidate) => candidate.kid === keyId && candidate.algorithm === algorithm);
    return key ? { key: key.public_pem } : { refused: 'token_key_unknown' };
  }

  #refresh(): void {
    const now = this.#now();
    if (now - this.#checkedAt < recheck_ms) return;
    this.#checkedAt = now;
    const { key_file } = this.#options;
    if (key_file !== undefined) this.#reread(key_file);
    const keys = advanceRing(this.#keys, now, this.#options);
    if (keys.length === this.#keys.length && keys.every((key, index) => key === this.#keys[index])) return;
    // A key that other replicas can't see must not sign: the old ones go on until the file can be written.
    if (key_file !== undefined && !this.#write(key_file, keys, now)) return;
    const known = new Set(this.#keys.map((key) => key.kid));
    this.#keys = keys;
    for (const key of keys) if (!known.has(key.kid)) this.#options.on_new_key?.(key.kid);
  }

  #open(file: string): void {
    try {
      // Whoever comes second finds the first one's keys and takes them.
      if (!existsSync(file)) createFile(file, serialize(this.#keys));
      this.#load(file);
    } catch (error) {
      throw unusable(file, error);
    }
  }

  #reread(file: string): void {
    try {
      if (stampOf(file) !== this.#stamp) this.#load(file);
      if (this.#problem === 'key_file_unreadable') this.#problem = undefined;
    } catch {
      // The keys at hand are still good: tokens go on, and only other replicas' newer keys are missing.
      this.#report('key_file_unreadable');
    }
  }

  #load(file: string): void {
    const stamp = stampOf(file);
    if (statSync(file).mode & 0o007) throw new Error('Everybody on this machine may open it.');
    const { keys } = storedRing.parse(JSON.parse(readFileSync(file, 'utf8')));
    this.#keys = keys.map(importSigningKey).sort((a, b) => a.use_from - b.use_from);
    this.#stamp = stamp;
  }

  #write(file: string, keys: readonly SigningKey[], now: number): boolean {
    if (now < this.#writeAfter) return false;
    try {
      replaceFile(file, serialize(keys));
      this.#stamp = stampOf(file);
      this.#problem = undefined;
      return true;
    } catch {
      // On a read-only mount the operator rotates, by replacing the file.
      this.#writeAfter = now + retry_ms;
      this.#report('key_file_unwritable');
      return false;
    }
  }

  #report(problem: KeyFileProblem): void {
    if (this.#problem !== problem) this.#options.on_problem?.(problem);
    this.#problem = problem;
  }
}

function serialize(keys: readonly SigningKey[]): string {
  return `${JSON.stringify({ keys: keys.map(exportSigningKey) }, undefined, 2)}\n`;
}

/** The ring at `now`: a current key, a next one, and none whose last token has expired. Order: by `use_from`. */
function advanceRing(
  ring: readonly SigningKey[],
  now: number,
  { algorithm, rotation_ms, lifetime_ms }: Pick<KeyRingOptions, 'algorithm' | 'rotation_ms' | 'lifetime_ms'>,
): readonly SigningKey[] {
  const keys = ring.filter((_key, index) => now < (ring[index + 1]?.use_from ?? now) + lifetime_ms);
  if (!keys.some((key) => key.use_from <= now)) keys.unshift(generateSigningKey(algorithm, wholeSecond(now)));
  const newest = keys.at(-1);
  if (newest && newest.use_from <= now) {
    // After a long pause the next key still gets time to reach whoever verifies.
    const due = Math.max(newest.use_from + rotation_ms, now + rotation_ms / 2);
    keys.push(generateSigningKey(algorithm, wholeSecond(due)));
  }
  return keys;
}

function wholeSecond(instant: number): number {
  return Math.floor(instant / 1000) * 1000;
}

function stampOf(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs} ${size} ${ino}`;
}

function unusable(file: string, cause: unknown): LoadError {
  // A parser's message could quote the key, so only the system's code and our own words are shown.
  const system = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return LoadError.of({
    rule: 'key-file-unusable',
    file,
    pointer: '',
    message: `The token issuer's key file cannot be read or made${system}, is not whole, or is open to everybody.`,
    mend: 'Let this process alone read and write it, or take auth.issuer.key_file out to keep the keys in memory.',
  });
}
