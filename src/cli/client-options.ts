import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type Client,
  type ClientOptions,
  type Credential,
  createClient,
  InvalidManualError,
  ToolError,
  TransportError,
} from '../client/index.js';
import { type CallTemplateType, callTemplateTypes } from '../protocols/index.js';
import {
  type CommandInput,
  commonOptions,
  exitCodes,
  flagOf,
  type Io,
  type OptionSpec,
  stringOf,
  stringsOf,
  UsageError,
} from './command.js';
import { paint } from './terminal.js';

/** What `tools` and `call` have in common. */
export const clientOptions = {
  key: { type: 'string', value: 'KEY', help: 'API key or token (better: GATEHOUSE_KEY, which no process list shows)' },
  'key-file': { type: 'string', value: 'FILE', help: 'file that holds it' },
  'client-id': { type: 'string', value: 'ID', help: 'OAuth client; its secret is in GATEHOUSE_CLIENT_SECRET' },
  var: { type: 'string', value: 'NAME=VALUE', multiple: true, help: "a variable of direct tools' templates" },
  'ca-file': { type: 'string', value: 'FILE', help: 'PEM file with the only authorities to trust' },
  'pin-file': { type: 'string', value: 'FILE', help: 'keeps what was accepted of each provider' },
  accept: { type: 'string', value: 'DIGEST', help: 'accept the changed manual that has this digest' },
  'allow-private-host': {
    type: 'string',
    value: 'HOST',
    multiple: true,
    help: 'may be private, loopback or plain http',
  },
  'allow-protocol': { type: 'string', value: 'TYPE', multiple: true, help: 'call tools of this protocol too' },
  timeout: { type: 'string', value: 'MS', help: 'milliseconds for a call, retries included (default 30000)' },
  retries: { type: 'string', value: 'N', help: 'how often an idempotent call is tried again (default 2)' },
  json: commonOptions.json,
  help: commonOptions.help,
} as const satisfies Readonly<Record<string, OptionSpec>>;

const safeProtocols: readonly CallTemplateType[] = ['http', 'sse', 'streamable_http', 'websocket'];

/**
 * Runs `use` with the client that the options describe and ends it. A ToolError is told and gives exit code 1, or 2
 * when nothing could be read at all. Throws UsageError for options that make no sense.
 */
export async function withClient(
  url: string,
  input: CommandInput,
  io: Io,
  use: (client: Client) => Promise<number>,
): Promise<number> {
  let client: Client | undefined;
  try {
    client = createClient(readOptions(url, input, io));
    return await use(client);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    reportToolError(error, input, io);
    return isUnreadable(error) ? exitCodes.usage : exitCodes.findings;
  } finally {
    await client?.close();
  }
}

// Nothing came that could be read: the URL is no manual's.
function isUnreadable(error: ToolError): boolean {
  return error.code === 'invalid_url' || error instanceof InvalidManualError || error instanceof TransportError;
}

function readOptions(url: string, input: CommandInput, io: Io): ClientOptions {
  const credential = readCredential(input, io);
  const caFile = stringOf(input, 'ca-file');
  const pinFile = stringOf(input, 'pin-file');
  const accept = stringOf(input, 'accept');
  const timeout = readNumber(input, 'timeout');
  const retries = readNumber(input, 'retries');
  return {
    url,
    ...(credential && { credential }),
    variables: Object.fromEntries(stringsOf(input, 'var').map(readVariable)),
    ...(caFile !== undefined && { ca_file: resolve(io.cwd, caFile) }),
    ...(pinFile !== undefined && { pin_file: resolve(io.cwd, pinFile) }),
    ...(accept !== undefined && { accept }),
    ...(timeout !== undefined && { timeout_ms: timeout }),
    ...(retries !== undefined && { retries }),
    allow_private_hosts: stringsOf(input, 'allow-private-host'),
    allowed_protocols: [...safeProtocols, ...stringsOf(input, 'allow-protocol').map(readProtocol)],
  };
}

function readCredential(input: CommandInput, io: Io): Credential | undefined {
  const clientId = stringOf(input, 'client-id');
  if (clientId !== undefined) {
    const secret = io.environment.GATEHOUSE_CLIENT_SECRET;
    if (!secret) throw new UsageError('--client-id needs GATEHOUSE_CLIENT_SECRET in the environment');
    return { oauth2: { client_id: clientId, client_secret: secret } };
  }
  const file = stringOf(input, 'key-file');
  const key = stringOf(input, 'key') ?? (file === undefined ? io.environment.GATEHOUSE_KEY : readKeyFile(file, io));
  return key ? { bearer: key } : undefined;
}

/** The text of a `--key-file`. Throws UsageError. */
export function readKeyFile(file: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, file), 'utf8').trim();
  } catch {
    throw new UsageError(`--key-file ${file} cannot be read`);
  }
}

function readVariable(text: string): readonly [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError('--var must be NAME=VALUE');
  return [name, value];
}

/** A whole number; undefined when absent. Throws UsageError for anything else. */
export function readNumber(input: CommandInput, name: string): number | undefined {
  const text = stringOf(input, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} must be a whole number`);
  return Number(text);
}

function readProtocol(text: string): CallTemplateType {
  const type = callTemplateTypes.find((known) => known === text);
  if (type) return type;
  throw new UsageError(`--allow-protocol must be one of ${callTemplateTypes.join(', ')}`);
}

function reportToolError(error: ToolError, input: CommandInput, io: Io): void {
  const { cause: _cause, ...details } = error.details;
  if (flagOf(input, 'json'))
    io.out(JSON.stringify({ error: { name: error.name, message: error.message, ...details } }));
  else io.err(`${paint(io, 'red', error.name)}: ${error.message}`);
}
