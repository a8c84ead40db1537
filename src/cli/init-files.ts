import { generatePrivateKey } from '../auth/index.js';

/** The roles that a new configuration defines. */
export const startingRoles = ['admin', 'reader'] as const;

export interface StartingChoice {
  readonly key_sha256: string;
  /** The first caller's role. */
  readonly role: (typeof startingRoles)[number];
  /** The manual's source as the configuration names it; an example manual is written when absent. */
  readonly source: string | undefined;
}

/** Files that are for their owner alone. */
export const secretFiles: ReadonlySet<string> = new Set(['.env', 'config/manual-key.pem']);

const exampleSource = './manuals/my_api.yaml';
const exampleManual = `utcp_version: "1.1.0"
manual_version: "1.0.0"
tools:
  - name: get_item
    description: Get one item by its id.
    tags: [read]
    inputs:
      type: object
      properties: { id: { type: string, minLength: 1, maxLength: 100, description: The item's id. } }
      required: [id]
      additionalProperties: false
    tool_call_template:
      call_template_type: http
      http_method: GET
      url: https://api.example.com/items/{id}
      timeout: 10
`;

/** The files of a new configuration, by their path in its folder. */
export function startingFiles({ key_sha256, role, source }: StartingChoice): Readonly<Record<string, string>> {
  return {
    'config/gatehouse.yaml': `# Gatehouse. Every key: docs/configuration.md. Check it with: gatehouse check
server:
  host: 127.0.0.1
  port: 8080
  # public_url: https://tools.example.com   # what callers reach it by, once TLS stands in front

manuals:
  - name: my_api
    source: ${JSON.stringify(source ?? exampleSource)}   # a UTCP manual, or an OpenAPI document (JSON or YAML)
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
    roles: [${role}]
    api_keys:
      current: { sha256: ${key_sha256} }

limits:
  per_caller: { per_minute: 60, per_hour: 1000 }
  auth_failures_per_address: { per_minute: 20 }

signing: { key_file: ./manual-key.pem }   # clients pin it: keep it out of version control, and back it up

security_log: { file: ../var/security.log, hash_chain: true }
`,
    ...(source === undefined && { 'config/manuals/my_api.yaml': exampleManual }),
    'config/manual-key.pem': generatePrivateKey('ed25519').export({ format: 'pem', type: 'pkcs8' }).toString(),
    '.env': '# Values of ${UTCP_…} and ${API_…} variables. Keep it out of version control.\n',
  };
}
