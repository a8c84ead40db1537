import { basename, extname, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { AuthoredManual } from '../core/index.js';
import { fileIo, type ImportedOpenApi, importOpenApi, isUrl, readSourceText, toToolName } from '../manual/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  exitCodes,
  flagOf,
  type Io,
  type OptionSpec,
  stringOf,
  stringsOf,
  takePositionals,
  UsageError,
} from './command.js';
import { describeImport, printImport } from './import-report.js';
import { refuseExisting, writeOutput } from './output.js';
import { createSourceIo, sourceOptions } from './source.js';

const selectors = Object.fromEntries(
  (['include', 'exclude'] as const).flatMap((kind) =>
    [
      ['tag', 'TAG', 'with this tag'],
      ['path', 'PATTERN', 'under this path; * is a part of a segment, ** any number of segments'],
      ['method', 'METHOD', 'of this method'],
    ].map(([name = '', value = '', help = '']): [string, OptionSpec] => [
      `${kind}-${name}`,
      {
        type: 'string',
        multiple: true,
        value,
        help: `${kind === 'include' ? 'only' : 'no'} operations ${help}; may repeat`,
      },
    ]),
  ),
);

/** `gatehouse import OPENAPI`: an OpenAPI document as a UTCP manual, with what could not be carried. */
export const importCommand: Command = {
  name: 'import',
  summary: 'turn an OpenAPI document into a UTCP manual',
  usage: 'OPENAPI [-o FILE]',
  options: {
    out: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'where to write; .yaml writes YAML (default: standard output)',
    },
    force: { type: 'boolean', help: 'write over a file that is there' },
    name: {
      type: 'string',
      value: 'NAME',
      help: "the manual's name, for its variables (default: from FILE or OPENAPI)",
    },
    'base-url': { type: 'string', value: 'URL', help: 'in place of every server of the document' },
    ...selectors,
    all: { type: 'boolean', help: 'list every operation, carried ones too' },
    strict: { type: 'boolean', help: 'exit 1 for an operation that is carried in part, too' },
    ...sourceOptions,
    json: commonOptions.json,
    help: commonOptions.help,
  },
  notes: [
    'OPENAPI is a file or a URL: OpenAPI 2.0, 3.0 or 3.1, JSON or YAML. docs/import.md says more.',
    'Exit codes: 0 imported, 1 imported without an operation that cannot be carried, 2 nothing could be read or written.',
  ],
  async run(input, io) {
    const [source = ''] = takePositionals(input, 'OPENAPI');
    const out = stringOf(input, 'out');
    if (out !== undefined && !flagOf(input, 'force')) refuseExisting(out, io);
    const name = stringOf(input, 'name') ?? nameOf(out ?? source);
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new UsageError('--name takes letters, digits and _, no digit first');
    const imported = await importSource(source, name, input, io);
    const manual = withoutScopes(imported.manual);
    if (out !== undefined) writeOutput(out, render(manual, out), flagOf(input, 'force'), io);
    const report = describeImport(imported, { name, source, out });
    if (flagOf(input, 'json')) io.out(JSON.stringify({ ...report, ...(out === undefined && { manual }) }));
    else {
      if (out === undefined) io.out(render(manual, 'manual.json').trimEnd());
      const print = out === undefined ? io.err : io.out;
      print(printImport(report, imported, { io, all: flagOf(input, 'all') }));
    }
    const { left_out, partly } = report.summary;
    return left_out > 0 || (flagOf(input, 'strict') && partly > 0) ? exitCodes.findings : exitCodes.good;
  },
};

async function importSource(source: string, name: string, input: CommandInput, io: Io): Promise<ImportedOpenApi> {
  const remote = isUrl(source);
  io.status?.(`Reading ${source} …`);
  try {
    const text = await readSourceText(source, io.cwd, createSourceIo([source], input, io));
    return await importOpenApi(text, {
      name,
      file: source,
      ...(remote ? { source_url: source } : { path: resolve(io.cwd, source) }),
      base_url: readBaseUrl(input),
      include: selectionOf('include', input),
      exclude: selectionOf('exclude', input),
      io: { realPath: fileIo.realPath, readText: (file) => readSourceText(file, io.cwd, fileIo) },
      onProgress: (done, total) => io.status?.(`Importing ${source}: ${done} of ${total} operations`),
    });
  } finally {
    io.status?.('');
  }
}

function readBaseUrl(input: CommandInput): string | undefined {
  const url = stringOf(input, 'base-url');
  if (url === undefined || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) return url;
  throw new UsageError('--base-url must be an http(s) URL');
}

function selectionOf(kind: 'include' | 'exclude', input: CommandInput) {
  const of = (name: string) => {
    const values = stringsOf(input, `${kind}-${name}`);
    return values.length > 0 ? values : undefined;
  };
  return { tags: of('tag'), paths: of('path'), methods: of('method') };
}

/** A name for a manual from a file's or a URL's last part. */
function nameOf(source: string): string {
  const file = basename(isUrl(source) && URL.canParse(source) ? new URL(source).pathname : source);
  return toToolName(file.replace(/(\.(openapi|swagger|manual|utcp))?\.(json|ya?ml)$/i, '')) ?? 'api';
}

// UTCP has no field for scopes: they are told in the report, for the configuration.
function withoutScopes({ tools, ...manual }: AuthoredManual): AuthoredManual {
  return { ...manual, tools: tools.map(({ required_scopes: _scopes, ...tool }) => tool) };
}

function render(manual: AuthoredManual, file: string): string {
  if (!/^\.ya?ml$/i.test(extname(file))) return `${JSON.stringify(manual, null, 2)}\n`;
  // YAML 1.1, which Python's usual reader speaks, takes an unquoted `on` for true and `2024-01-01` for a date.
  return stringify(manual, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
}
