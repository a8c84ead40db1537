import { createHash } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createSecret } from '../auth/index.js';
import { LoadError } from '../core/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  exitCodes,
  flagOf,
  stringOf,
  takePositionals,
  UsageError,
} from './command.js';
import { secretFiles, startingFiles, startingRoles } from './init-files.js';

const { json, help } = commonOptions;

/** `gatehouse init [DIR]`: a configuration to start from, with one manual and one caller whose key is shown once. */
export const initCommand: Command = {
  name: 'init',
  summary: 'write a configuration to start from',
  usage: '[DIR]',
  options: {
    source: {
      type: 'string',
      value: 'SOURCE',
      help: "the manual's source, from the configuration's folder (default: an example manual)",
    },
    role: {
      type: 'string',
      value: 'ROLE',
      help: "the caller's role: admin (default), or reader, who sees what only reads",
    },
    force: { type: 'boolean', help: 'write over files that are there' },
    json,
    help,
  },
  async run(input, io) {
    const [directory = '.'] = input.positionals.length > 0 ? takePositionals(input, 'DIR') : [];
    const root = resolve(io.cwd, directory);
    const key = createSecret();
    const source = stringOf(input, 'source');
    const key_sha256 = createHash('sha256').update(key).digest('hex');
    const files = startingFiles({ key_sha256, role: readRole(input), source });
    if (!flagOf(input, 'force')) await refuseExisting(root, Object.keys(files));
    for (const [name, content] of Object.entries(files)) {
      const path = join(root, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode: secretFiles.has(name) ? 0o600 : 0o644 });
    }
    if (flagOf(input, 'json'))
      io.out(JSON.stringify({ directory: root, files: Object.keys(files), caller: 'me', key }));
    else io.out(describeNextSteps(directory, Object.keys(files), key, source));
    return exitCodes.good;
  },
};

function readRole(input: CommandInput): (typeof startingRoles)[number] {
  const text = stringOf(input, 'role') ?? 'admin';
  const role = startingRoles.find((known) => known === text);
  if (role === undefined) throw new UsageError(`--role must be one of ${startingRoles.join(', ')}`);
  return role;
}

async function refuseExisting(root: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const there = await stat(join(root, name)).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    throw LoadError.of({
      rule: 'init-exists',
      file: join(root, name),
      pointer: '',
      message: 'The file is there already.',
      mend: 'Name another folder, or write over it with --force.',
    });
  }
}

function describeNextSteps(
  directory: string,
  files: readonly string[],
  key: string,
  source: string | undefined,
): string {
  const config = join(directory, 'config/gatehouse.yaml');
  const first =
    source === undefined
      ? `put your API into ${join(directory, 'config/manuals/my_api.yaml')}, or name your OpenAPI document in the configuration`
      : `have the manual in ${join(directory, 'config', source)}: gatehouse import turns an OpenAPI document into one`;
  return [
    `Wrote ${files.map((file) => join(directory, file)).join(', ')}.`,
    '',
    'The API key of the caller me, shown this once:',
    `  ${key}`,
    '',
    'Next:',
    `  ${first}`,
    `  gatehouse check --config ${config}`,
    `  gatehouse serve --config ${config}`,
    `  curl -H "Authorization: Bearer ${key}" http://127.0.0.1:8080/utcp`,
  ].join('\n');
}
