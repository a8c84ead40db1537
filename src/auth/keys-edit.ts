import { existsSync, readFileSync, rmSync } from 'node:fs';
import { type Document, isCollection, isMap, isSeq, parseDocument } from 'yaml';
import { LoadError } from '../core/index.js';
import { createFile, replaceFile } from '../files/atomic-file.js';
import { digestSecret } from './digest.js';
import { type FiledKey, type KeysFile, parseKeysFile } from './keys-file.js';
import { createSecret } from './secret.js';

/** A key that has just been made. The secret is shown here and nowhere else, ever. */
export interface IssuedKey {
  readonly caller: string;
  readonly slot: 'current' | 'next';
  readonly secret: string;
  readonly sha256: string;
  readonly expires_at: string | undefined;
  /** Rotation alone: until when the old key goes on. */
  readonly old_expires_at?: string;
}

/** One line of `gatehouse keys list`. */
export interface ListedKey {
  readonly caller: string;
  readonly slot: 'current' | 'next';
  /** The digest's first 12 hexadecimal digits: enough to name the key to `keys revoke`. */
  readonly digest: string;
  readonly state: 'valid' | 'not_yet_valid' | 'expired' | 'revoked';
  readonly created_at: string | undefined;
  readonly not_before: string | undefined;
  readonly expires_at: string | undefined;
}

export interface KeyTerms {
  /** Milliseconds of validity; absent: until it is revoked. */
  readonly lifetime_ms?: number;
  /** Epoch milliseconds. */
  readonly now?: number;
}

export interface RotationTerms extends KeyTerms {
  /** Milliseconds for which the old key goes on beside the new one. */
  readonly grace_ms: number;
}

const newFile = `# API keys of Gatehouse: digests and windows, never a key. \`gatehouse keys\` edits this file and keeps its comments.
callers: {}
revoked:
  keys: []
  callers: []
  jtis: []
...
`;

/** Gives a caller its first key. Makes the file when it is not there. Throws LoadError when the caller has a live key. */
export function createKey(file: string, caller: string, terms: KeyTerms = {}): IssuedKey {
  return editKeysFile(file, true, (document, content) => {
    const now = terms.now ?? Date.now();
    const keys = content.callers[caller]?.api_keys;
    if (keys && [keys.current, keys.next].some((key) => key && stateOf(key, content, now) !== 'expired')) {
      throw refused(
        file,
        `Caller ${caller} has a key already.`,
        'Use `gatehouse keys rotate`, so that there is no gap.',
      );
    }
    if (keys) document.deleteIn(['callers', caller, 'api_keys']);
    return issueKey(document, caller, 'current', now, terms.lifetime_ms);
  });
}

/**
 * Gives a caller a new key, and ends the old one when the grace time is over: in between both are good. Throws
 * LoadError when the caller has no key, or is still in the grace time of an earlier rotation.
 */
export function rotateKey(file: string, caller: string, terms: RotationTerms): IssuedKey {
  return editKeysFile(file, false, (document, content) => {
    const now = terms.now ?? Date.now();
    const old = settleSlots(document, content, caller, now);
    if (!old) throw refused(file, `Caller ${caller} has no key.`, 'Use `gatehouse keys create`.');
    const path = ['callers', caller, 'api_keys'];
    if (old === 'both') {
      throw refused(
        file,
        `Caller ${caller} has two live keys: the last rotation is not over.`,
        'Wait until the old key has expired, or revoke it.',
      );
    }
    const end = Math.min(now + terms.grace_ms, old.expires_at === undefined ? Infinity : Date.parse(old.expires_at));
    document.setIn([...path, 'current', 'expires_at'], toInstant(end));
    return { ...issueKey(document, caller, 'next', now, terms.lifetime_ms), old_expires_at: toInstant(end) };
  });
}

const wholeDigest = /^[0-9a-f]{64}$/;

/**
 * Takes keys back: all of a caller, or the one whose digest begins with these 8 or more hexadecimal digits. A whole
 * digest, of 64, may be of any credential: a key or a client's secret in the configuration, a certificate (its SHA-256
 * fingerprint), a token. Returns their digests. Throws LoadError when there is none, or when the digits fit several.
 */
export function revokeKeys(file: string, target: { caller: string } | { digest: string }): readonly string[] {
  const digest = 'digest' in target ? target.digest.replaceAll(':', '').toLowerCase() : '';
  const isWhole = wholeDigest.test(digest);
  return editKeysFile(file, isWhole, (document, content) => {
    const all = Object.entries(content.callers).flatMap(([caller, { api_keys }]) =>
      (['current', 'next'] as const).flatMap((slot) => {
        const key = api_keys[slot];
        return key ? [{ caller, slot, sha256: key.sha256 }] : [];
      }),
    );
    const found = all.filter((key) =>
      'caller' in target ? key.caller === target.caller : key.sha256.startsWith(digest),
    );
    if (isWhole && found.length === 0) {
      append(document, 'keys', digest);
      return [digest];
    }
    if (found.length === 0 || ('digest' in target && (found.length > 1 || digest.length < 8))) {
      throw refused(file, 'Nothing, or more than one key, fits.', 'Name the key as `gatehouse keys list` shows it.');
    }
    for (const { caller, slot, sha256 } of found) {
      document.deleteIn(['callers', caller, 'api_keys', slot]);
      append(document, 'keys', sha256);
    }
    return found.map((key) => key.sha256);
  });
}

/** Takes a whole caller back: its keys, its tokens, its certificates. */
export function revokeCaller(file: string, caller: string): void {
  editKeysFile(file, true, (document) => append(document, 'callers', caller));
}

/** Takes one token back, by its `jti`. */
export function revokeToken(file: string, jti: string): void {
  editKeysFile(file, true, (document) => append(document, 'jtis', jti));
}

/** All keys of the file with their state at `now` (epoch milliseconds). */
export function describeKeys(content: KeysFile, now: number = Date.now()): readonly ListedKey[] {
  return Object.entries(content.callers).flatMap(([caller, { api_keys }]) =>
    (['current', 'next'] as const).flatMap((slot) => {
      const key = api_keys[slot];
      if (!key) return [];
      const state = content.revoked.callers.includes(caller) ? 'revoked' : stateOf(key, content, now);
      const { created_at, not_before, expires_at } = key;
      return [{ caller, slot, digest: key.sha256.slice(0, 12), state, created_at, not_before, expires_at }];
    }),
  );
}

// One edit at a time: two at once would lose one of them. The lock file is beside the keys file.
function editKeysFile<Result>(
  file: string,
  mayCreate: boolean,
  edit: (document: Document, content: KeysFile) => Result,
): Result {
  const lock = `${file}.lock`;
  if (!createFile(lock, `${process.pid}\n`)) {
    throw refused(file, 'Another edit is under way.', `If none is, remove ${lock} and try again.`);
  }
  try {
    const text = !existsSync(file) && mayCreate ? newFile : readFileSync(file, 'utf8');
    const content = parseKeysFile(text, file);
    const document = parseDocument(text, { schema: 'core' });
    const result = edit(document, content);
    if (document.directives) document.directives.docEnd = true;
    const edited = document.toString({ lineWidth: 0 });
    parseKeysFile(edited, file);
    replaceFile(file, edited);
    return result;
  } finally {
    rmSync(lock, { force: true });
  }
}

// Where `current` has ended, `next` takes its place. Gives the one live key, `both`, or nothing.
function settleSlots(
  document: Document,
  content: KeysFile,
  caller: string,
  now: number,
): FiledKey | 'both' | undefined {
  const keys = content.callers[caller]?.api_keys;
  const live = (key: FiledKey | undefined) => key !== undefined && stateOf(key, content, now) !== 'expired';
  if (!keys) return undefined;
  if (!live(keys.next)) return live(keys.current) ? keys.current : undefined;
  if (live(keys.current)) return 'both';
  const path = ['callers', caller, 'api_keys'];
  document.setIn([...path, 'current'], document.getIn([...path, 'next'], true));
  document.deleteIn([...path, 'next']);
  return keys.next;
}

function issueKey(
  document: Document,
  caller: string,
  slot: 'current' | 'next',
  now: number,
  lifetime: number | undefined,
): IssuedKey {
  const secret = createSecret();
  const sha256 = digestSecret(secret).toString('hex');
  const expires_at = lifetime === undefined ? undefined : toInstant(now + lifetime);
  const callers = document.get('callers', true);
  if (isCollection(callers)) callers.flow = false;
  const key = { sha256, created_at: toInstant(now), ...(expires_at === undefined ? {} : { expires_at }) };
  document.setIn(['callers', caller, 'api_keys', slot], document.createNode(key));
  for (const path of [
    ['callers', caller],
    ['callers', caller, 'api_keys'],
  ]) {
    const node = document.getIn(path, true);
    if (isMap(node)) node.flow = false;
  }
  return { caller, slot, secret, sha256, expires_at };
}

function append(document: Document, list: 'keys' | 'callers' | 'jtis', value: string): void {
  const known = document.getIn(['revoked', list], true);
  if (!isSeq(known)) {
    document.setIn(['revoked', list], document.createNode([value]));
    return;
  }
  known.flow = false;
  if (!known.items.some((item) => String(item) === value)) known.add(document.createNode(value));
}

function stateOf(key: FiledKey, content: KeysFile, now: number): 'valid' | 'not_yet_valid' | 'expired' | 'revoked' {
  if (content.revoked.keys.includes(key.sha256)) return 'revoked';
  if (key.expires_at !== undefined && now >= Date.parse(key.expires_at)) return 'expired';
  return key.not_before !== undefined && now < Date.parse(key.not_before) ? 'not_yet_valid' : 'valid';
}

function toInstant(epoch_ms: number): string {
  return new Date(epoch_ms).toISOString();
}

function refused(file: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'keys-edit-refused', file, pointer: '', message, mend });
}
