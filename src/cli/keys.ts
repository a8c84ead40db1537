import { existsSync } from 'node:fs';
import {
  createKey,
  describeKeys,
  type IssuedKey,
  parseKeysFile,
  readKeysFile,
  revokeCaller,
  revokeKeys,
  revokeToken,
  rotateKey,
} from '../auth/index.js';
import { defaultKeysFile, readConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  configFileOf,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  UsageError,
} from './command.js';
import { parseDuration } from './duration.js';

/** `gatehouse keys create|rotate|revoke|list`: edits the keys file; a running server follows within a second. */
export const keysCommand: Command = {
  name: 'keys',
  summary: 'create, rotate, revoke and list API keys',
  usage: 'create CALLER | rotate CALLER | revoke [CALLER] | list',
  options: {
    file: {
      type: 'string',
      value: 'FILE',
      help: 'the keys file (default auth.keys_file, else keys.yaml beside the configuration)',
    },
    lifetime: { type: 'string', value: 'TIME', help: 'create, rotate: how long the key is good, for example 90d' },
    grace: { type: 'string', value: 'TIME', help: 'rotate: how long the old key goes on (default 24h)' },
    digest: {
      type: 'string',
      value: 'HEX',
      help: 'revoke: one key, by the digest that list shows, or any credential by its whole SHA-256',
    },
    all: { type: 'boolean', help: 'revoke: everything of the caller, tokens and certificates too' },
    jti: { type: 'string', value: 'ID', help: 'revoke: one token, by its jti' },
    ...commonOptions,
  },
  notes: ['A key is shown once, when it is made; the file holds its SHA-256 alone.'],
  async run(input, io) {
    const [action, caller, ...more] = input.positionals;
    if (more.length > 0) throw new UsageError(`unexpected argument ${more[0]}`);
    const file = stringOf(input, 'file') ?? (await keysFileOf(input, io, action === 'list' ? undefined : caller));
    if (action === 'create') return showKey(input, io, file, createKey(file, named(caller), termsOf(input)));
    if (action === 'rotate') return showKey(input, io, file, rotateKey(file, named(caller), rotationOf(input)));
    if (action === 'revoke') return revoke(input, io, file, caller);
    if (action === 'list' && caller === undefined) return list(input, io, file);
    throw new UsageError('say: keys create CALLER, keys rotate CALLER, keys revoke CALLER or keys list');
  },
};

function named(caller: string | undefined): string {
  if (caller === undefined) throw new UsageError('CALLER is missing');
  return caller;
}

function termsOf(input: CommandInput): { readonly lifetime_ms?: number } {
  const lifetime = stringOf(input, 'lifetime');
  return lifetime === undefined ? {} : { lifetime_ms: parseDuration(lifetime, '--lifetime') };
}

function rotationOf(input: CommandInput): { readonly lifetime_ms?: number; readonly grace_ms: number } {
  return { ...termsOf(input), grace_ms: parseDuration(stringOf(input, 'grace') ?? '24h', '--grace') };
}

// A key for a caller that is not configured would grant nothing, silently.
async function keysFileOf(input: CommandInput, io: Io, caller: string | undefined): Promise<string> {
  const { config, file } = await readConfig(configFileOf(input, io));
  if (caller !== undefined && !config.callers.some(({ id }) => id === caller)) {
    const known = config.callers.map(({ id }) => id).join(', ');
    throw LoadError.of({
      rule: 'caller-unknown',
      file,
      pointer: '/callers',
      message: `There is no caller ${caller}.`,
      mend: known ? `Configured: ${known}. Add it to callers first.` : 'Add it to callers first.',
    });
  }
  return config.auth.keys_file ?? defaultKeysFile(file);
}

function showKey(input: CommandInput, io: Io, file: string, key: IssuedKey): number {
  if (flagOf(input, 'json')) io.out(JSON.stringify({ file, ...key }));
  else {
    io.out(key.secret);
    io.err(`The key of ${key.caller}, shown this once. ${file} holds its SHA-256.`);
    if (key.expires_at !== undefined) io.err(`It is good until ${key.expires_at}.`);
    if (key.old_expires_at !== undefined) io.err(`The old key goes on until ${key.old_expires_at}.`);
  }
  return exitCodes.good;
}

function revoke(input: CommandInput, io: Io, file: string, caller: string | undefined): number {
  const digest = stringOf(input, 'digest');
  const jti = stringOf(input, 'jti');
  const revoked =
    jti !== undefined ? [jti] : digest !== undefined ? revokeKeys(file, { digest }) : revokeOf(input, file, caller);
  if (jti !== undefined) revokeToken(file, jti);
  if (flagOf(input, 'json')) io.out(JSON.stringify({ file, revoked }));
  else io.out(`Revoked: ${revoked.join(', ')}. Running servers refuse it within a second.`);
  return exitCodes.good;
}

function revokeOf(input: CommandInput, file: string, caller: string | undefined): readonly string[] {
  const id = named(caller);
  if (!flagOf(input, 'all')) return revokeKeys(file, { caller: id });
  revokeCaller(file, id);
  return [id];
}

function list(input: CommandInput, io: Io, file: string): number {
  const keys = existsSync(file) ? describeKeys(parseKeysFile(readKeysFile(file), file)) : [];
  if (flagOf(input, 'json')) io.out(JSON.stringify({ file, keys }));
  else if (keys.length === 0) io.out(`No keys in ${file}.`);
  for (const key of flagOf(input, 'json') ? [] : keys) {
    const until = key.expires_at === undefined ? 'without an end' : `until ${key.expires_at}`;
    io.out(`${key.caller}  ${key.slot}  ${key.digest}  ${key.state}  ${until}`);
  }
  return exitCodes.good;
}
