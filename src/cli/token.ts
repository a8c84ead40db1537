import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { LoadedConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import { type Command, commonOptions, configFileOf, exitCodes, flagOf, stringOf, takePositionals } from './command.js';
import { loadForCommand } from './configuration.js';
import { parseDuration } from './duration.js';
import { printable } from './terminal.js';

/** `gatehouse token CALLER`: a token that the configured server takes, for trying things out. */
export const tokenCommand: Command = {
  name: 'token',
  summary: 'sign a short token for a caller, with a key that the server trusts',
  usage: 'CALLER',
  options: {
    scope: {
      type: 'string',
      value: 'SCOPES',
      help: 'scopes, separated by spaces (default: none stated, so nothing is narrowed)',
    },
    lifetime: { type: 'string', value: 'TIME', help: 'how long it is good (default 15m)' },
    issuer: {
      type: 'string',
      value: 'ISSUER',
      help: 'which auth.jwt issuer with a secret_variable signs (default: the first)',
    },
    ...commonOptions,
  },
  notes: ['Signs with an HS256 issuer of auth.jwt (secret_variable). Without one, use POST /oauth/token.'],
  async run(input, io) {
    const [caller = ''] = takePositionals(input, 'CALLER');
    const loaded = await loadForCommand(configFileOf(input, io), io);
    if (!loaded.config.callers.some(({ id }) => id === caller)) {
      io.err(`There is no caller ${printable(caller)}: the server takes its token, which has no role.`);
    }
    const lifetime_ms = parseDuration(stringOf(input, 'lifetime') ?? '15m', '--lifetime');
    const token = await signToken(loaded, caller, lifetime_ms, stringOf(input, 'scope'), stringOf(input, 'issuer'));
    io.out(flagOf(input, 'json') ? JSON.stringify({ token, expires_in: lifetime_ms / 1000 }) : token);
    return exitCodes.good;
  },
};

async function signToken(
  loaded: LoadedConfig,
  caller: string,
  lifetime_ms: number,
  scope: string | undefined,
  issuer: string | undefined,
): Promise<string> {
  const found = loaded.config.auth.jwt.find(
    (entry) => entry.secret_variable !== undefined && (issuer === undefined || entry.issuer === issuer),
  );
  if (found?.secret_variable === undefined) {
    throw LoadError.of({
      rule: 'token-no-issuer',
      file: loaded.file,
      pointer: '/auth/jwt',
      message: 'No issuer of auth.jwt has a secret_variable to sign with.',
      mend: 'Add { issuer: local, audience: …, secret_variable: UTCP_JWT_SECRET, algorithms: [HS256] }, or ask POST /oauth/token.',
    });
  }
  const secret = new TextEncoder().encode(loaded.variables.load(found.secret_variable));
  return new SignJWT(scope === undefined ? {} : { scope })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(found.issuer)
    .setAudience(found.audience)
    .setSubject(caller)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(Math.floor((Date.now() + lifetime_ms) / 1000))
    .sign(secret);
}
