import { LoadError } from '../core/index.js';
import { documentLimits, fileIo, isUrl, type ManualIo } from '../manual/index.js';
import { fetchDocument } from '../protocols/index.js';
import { readKeyFile, readNumber } from './client-options.js';
import { type CommandInput, type Io, type OptionSpec, stringOf, stringsOf, UsageError } from './command.js';

/** Options of the commands that read a document from a file or a URL. */
export const sourceOptions = {
  'allow-private-host': {
    type: 'string',
    value: 'HOST',
    multiple: true,
    help: 'a URL may lead to this private, loopback or plain http host',
  },
  'ca-file': { type: 'string', value: 'FILE', help: 'PEM file with the only authorities to trust for URLs' },
  'key-file': { type: 'string', value: 'FILE', help: 'file with the bearer key or token that a URL asks for' },
  timeout: { type: 'string', value: 'MS', help: 'milliseconds for a URL to arrive (default 30000)' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** How the documents that a command line names are read: files of this machine, and URLs behind the guard. */
export function createSourceIo(sources: readonly string[], input: CommandInput, io: Io): ManualIo {
  const caFile = stringOf(input, 'ca-file');
  const options = {
    allow_private_hosts: stringsOf(input, 'allow-private-host'),
    tls: caFile === undefined ? {} : { ca_file: caFile },
    base_dir: io.cwd,
    timeout_ms: readNumber(input, 'timeout') ?? 30_000,
    max_bytes: documentLimits.max_length,
    headers: readCredential(sources, input, io),
  };
  return { ...fileIo, readUrl: (url) => fetchDocument(url, options).catch(nameOptions) };
}

// A key that went to each of several providers would be known to all of them.
function readCredential(sources: readonly string[], input: CommandInput, io: Io): Readonly<Record<string, string>> {
  const file = stringOf(input, 'key-file');
  if (file === undefined) return {};
  const origins = new Set(sources.filter(isUrl).map((url) => (URL.canParse(url) ? new URL(url).origin : url)));
  if (origins.size !== 1) throw new UsageError('--key-file needs URLs of exactly one origin, which gets the key');
  const key = readKeyFile(file, io);
  if (!/^[\x21-\x7e]+$/.test(key)) throw new UsageError(`--key-file ${file} holds no key`);
  return { authorization: `Bearer ${key}` };
}

// Here a host is allowed by an option, and not by a key of the configuration.
function nameOptions(error: unknown): never {
  if (!(error instanceof LoadError)) throw error;
  const rename = (text: string) => text.replace('in allow_private_hosts', 'with --allow-private-host');
  throw new LoadError(error.findings.map((finding) => ({ ...finding, mend: rename(finding.mend) })));
}
