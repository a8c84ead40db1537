import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { LoadError } from '../core/index.js';
import { readSigningKey, signManual } from '../signing/index.js';
import {
  type Command,
  commonOptions,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  takePositionals,
  UsageError,
} from './command.js';
import { writeOutput } from './output.js';

/** `gatehouse sign MANUAL --key FILE`: the signature of a manual that is served as a file. */
export const signCommand: Command = {
  name: 'sign',
  summary: 'sign a static manual; its .sig file is served beside it',
  usage: 'MANUAL --key FILE',
  options: {
    key: { type: 'string', value: 'FILE', help: 'private key in PEM: openssl genpkey -algorithm ed25519' },
    out: { type: 'string', short: 'o', value: 'FILE', help: 'where to write (default: MANUAL with .sig behind it)' },
    json: commonOptions.json,
    help: commonOptions.help,
  },
  notes: ['Prints the public key, which belongs under /.well-known/jwks.json of the same origin.'],
  async run(input, io) {
    const [manual = ''] = takePositionals(input, 'MANUAL');
    const keyFile = stringOf(input, 'key');
    if (keyFile === undefined) throw new UsageError('--key FILE is missing');
    const key = readSigningKey(readBytes(keyFile, io), keyFile);
    const signature = sign(manual, io, key);
    const out = stringOf(input, 'out') ?? `${manual}.sig`;
    writeOutput(out, `${signature}\n`, true, io);
    const keys = { keys: [key.publicKey.jwk] };
    io.out(flagOf(input, 'json') ? JSON.stringify({ file: out, ...keys }) : JSON.stringify(keys, null, 2));
    if (!flagOf(input, 'json')) io.err(`Signed: ${out}`);
    return exitCodes.good;
  },
};

function sign(file: string, io: Io, key: Parameters<typeof signManual>[1]): string {
  const bytes = readBytes(file, io);
  try {
    return signManual(bytes, key);
  } catch {
    throw LoadError.of({
      rule: 'manual-not-json',
      file,
      pointer: '',
      message: 'This is no JSON object.',
      mend: 'Sign the manual as it is served, in JSON.',
    });
  }
}

function readBytes(file: string, io: Io): Buffer {
  try {
    return readFileSync(resolve(io.cwd, file));
  } catch {
    throw LoadError.of({
      rule: 'file-unreadable',
      file,
      pointer: '',
      message: 'The file cannot be read.',
      mend: 'Name a file that is there.',
    });
  }
}
