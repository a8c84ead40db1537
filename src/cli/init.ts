import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createSecret } from '../auth/index.js';
import { LoadError } from '../core/index.js';
import { type Command, commonOptions, exitCodes, flagOf, takePositionals } from './command.js';

const { json, help } = commonOptions;

/** `gatehouse init [DIR]`: a configuration to start from, with one manual and one caller whose key is shown once. */
export const initCommand: Command = {
  name: 'init',
  summary: 'write a configuration to start from',
  usage: '[DIR]',
  options: { force: { type: 'boolean', help: 'write over files that are there' }, json, help },
  async run(input, io) {
    const [directory = '.'] = input.positionals.length > 0 ? takePositionals(input, 'DIR') : [];
    const root = resolve(io.cwd, directory);
    const key = createSecret();
    const files = startingFiles(createHash('sha256').update(key).digest('hex'));
    if (!flagOf(input, 'force')) await refuseExisting(root, Object.keys(files));
    for (const [name, content] of Object.entries(files)) {
      const path = join(root, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode: secretFiles.has(name) ? 0o600 : 0o644 });
    }
    if (flagOf(input, 'json'))
      io.out(JSON.stringify({ directory: root, files: Object.keys(files), caller: 'me', key }));
    else io.out(describeNextSteps(directory, Object.keys(files), key));
    return exitCodes.good;
  },
};

const secretFiles = new Set(['.env', 'config/manual-key.pem']);

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

function describeNextSteps(directory: string, files: readonly string[], key: string): string {
  const config = join(directory, 'config/gatehouse.yaml');
  return [
    `Wrote ${files.map((file) => join(directory, file)).join(', ')}.`,
    '',
    'The API key of the caller me, shown this once:',
    `  ${key}`,
    '',
    'Next:',
    `  put your API into ${join(directory, 'config/manuals/my_api.yaml')}, or name your OpenAPI document in the configuration`,
    `  gatehouse check --config ${config}`,
    `  gatehouse serve --config ${config}`,
    `  curl -H "Authorization: Bearer ${key}" http://127.0.0.1:8080/utcp`,
  ].join('\n');
}

function startingFiles(sha256: string): Readonly<Record<string, string>> {
  return {
    'config/gatehouse.yaml': `# Gatehouse. Every key: docs/configuration.md. Check it with: gatehouse check
server:
  host: 127.0.0.1
  port: 8080
  # public_url: https://tools.example.com   # what callers reach it by, once TLS stands in front

manuals:
  - name: my_api
    source: ./manuals/my_api.yaml   # a UTCP manual, or an OpenAPI document (JSON or YAML)
    # upstream_auth: { auth_type: api_key, api_key: "\${API_MY_KEY}", var_name: X-API-Key, location: header }

variables:
  allowed_prefixes: [UTCP_, API_]
  dotenv_file: ../.env

policy:
  roles:
    reader: { discover: ["tag:read"], call: ["tag:read"] }
    admin: { discover: ["*"], call: ["*"] }

callers:
  - id: me
    roles: [admin]
    api_keys:
      current: { sha256: ${sha256} }

limits:
  per_caller: { per_minute: 60, per_hour: 1000 }
  auth_failures_per_address: { per_minute: 20 }

signing: { key_file: ./manual-key.pem }   # clients pin it: keep it out of version control, and back it up

security_log: { file: ../var/security.log, hash_chain: true }
`,
    'config/manuals/my_api.yaml': `utcp_version: "1.1.0"
manual_version: "1.0.0"
tools:
  - name: get_item
    description: Get one item by its id.
    tags: [read]
    inputs:
      type: object
      properties: { id: { type: string, minLength: 1, maxLength: 100 } }
      required: [id]
      additionalProperties: false
    tool_call_template:
      call_template_type: http
      http_method: GET
      url: https://api.example.com/items/{id}
      timeout: 10
`,
    'config/manual-key.pem': generateKeyPairSync('ed25519')
      .privateKey.export({ format: 'pem', type: 'pkcs8' })
      .toString(),
    '.env': '# Values of ${UTCP_…} and ${API_…} variables. Keep it out of version control.\n',
  };
}
