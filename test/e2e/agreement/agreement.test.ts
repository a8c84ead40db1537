import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestSecret } from '../../../src/auth/digest.js';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken } from '../../support/forge.js';
import { runCommand } from '../../support/io.js';
import { addressOf } from '../../support/provider.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

const secret = 'a shared secret of more than 32 octets';
const audience = 'https://tools.example';
const environment = { UTCP_JWT_SECRET: secret };
const tool = (name: string, tags: string[], http_method = 'POST') => ({
  name,
  description: name,
  tags,
  inputs: { type: 'object' },
  tool_call_template: { call_template_type: 'http', http_method, url: `https://up.example/${name}` },
});
const manualOf = (...tools: object[]) => ({ utcp_version: '1.1.0', manual_version: '1.0.0', tools });
const files = {
  'a.yaml': manualOf(
    tool('read_x', ['read']),
    tool('write_x', ['write']),
    tool('scoped_x', ['read', 'write']),
    tool('trap_x', []),
  ),
  'b.yaml': manualOf(tool('one_x', ['read']), tool('two_x', [])),
};
const ids = ['a.read_x', 'a.write_x', 'a.scoped_x', 'a.trap_x', 'b.b_one_x', 'b.b_two_x'];

/** Conditions that hold, don't, depend on the arguments, or can't be evaluated for some callers. */
const conditions = [
  'claims.tenant == "acme"',
  'caller.claims.level > 2',
  'caller.id.matches("^(a|t)") && caller.source != "oauth"',
  '"tools:read" in caller.scopes',
  'in_network(address, "127.0.0.0/8") && now > timestamp("2020-01-01T00:00:00Z")',
  'in_network(address, "10.0.0.0/8")',
  'claims.groups.exists(g, g == "g1")',
  'args.n <= 5',
  'args.n <= 5 && claims.tenant == "acme"',
  'args.missing == 1 || claims.level > 2',
];
const pattern = fc.constantFrom(
  ...['*', 'a.*', 'b.*', 'a.read_*', 'a.write_x', 'a.scoped_x', 'a.trap_x', 'b.b_one_x', '*_two_x'],
  ...['tag:read', 'tag:w*', 'tag:none'],
);
const grant = fc
  .record({
    discover: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    called: fc.nat(3),
    when: fc.option(fc.constantFrom(...conditions)),
  })
  // What may be called has to be discoverable, or the load fails.
  .map(({ discover, called, when }) => ({
    discover,
    call: discover.slice(0, called),
    ...(when === null ? {} : { when }),
  }));
const deny = fc.record({ deny: fc.array(pattern, { maxLength: 2 }) });
const scopes = fc.option(fc.subarray(['tools:read', 'tools:execute', 's:1']), { freq: 2 });
const roles = fc.subarray(['r1', 'r2', 'no']);
const claims = fc.record(
  { tenant: fc.constantFrom('acme', 'other'), level: fc.constantFrom(1, 3) },
  { requiredKeys: [] },
);
const scenario = fc.record({
  r1: grant,
  r2: grant,
  no: deny,
  honeypot: fc.boolean(),
  alice: fc.record({ roles, scopes, claims }),
  client: fc.record({ roles, scopes: fc.subarray(['tools:read', 'tools:execute', 's:1'], { minLength: 1 }), claims }),
  token: fc.record({ groups: fc.subarray(['g1', 'g2', 'r2', 'unknown']), scopes, claims }),
  args: fc.record({ n: fc.oneof(fc.nat(10), fc.constant('5')) }, { requiredKeys: [] }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

function configOf(it: Scenario) {
  const only = (list: readonly string[] | null) => (list === null ? {} : { scopes: [...list] });
  const { client } = it;
  return {
    server: { public_url: audience },
    manuals: [
      {
        name: 'a',
        source: 'a.yaml',
        tools: { scoped_x: { required_scopes: ['s:1'] }, trap_x: { honeypot: it.honeypot } },
      },
      { name: 'b', source: 'b.yaml', prefix: 'b_' },
    ],
    policy: { roles: { r1: it.r1, r2: it.r2, no: it.no } },
    callers: [
      {
        id: 'alice',
        roles: it.alice.roles,
        claims: it.alice.claims,
        ...only(it.alice.scopes),
        api_keys: { current: keyEntry('alice-key') },
      },
      {
        id: 'client',
        roles: client.roles,
        claims: client.claims,
        oauth_client: {
          client_id: 'client',
          secret_sha256: digestSecret('client-secret').toString('hex'),
          scopes: client.scopes,
        },
      },
    ],
    auth: {
      jwt: [
        {
          issuer: 'local',
          audience,
          secret_variable: 'UTCP_JWT_SECRET',
          algorithms: ['HS256'],
          roles_claim: 'groups',
          roles_map: { g1: ['r1'], g2: ['no'] },
        },
      ],
    },
    limits: { per_caller: {}, auth_failures_per_address: {} },
  };
}

interface Subject {
  readonly caller: string;
  readonly credential: string;
  /** What the command line is told of it beside its name. */
  readonly options: readonly string[];
}

async function subjectsOf(it: Scenario, url: string): Promise<readonly Subject[]> {
  const answer = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'client',
      client_secret: 'client-secret',
    }),
  });
  const { access_token }: { access_token?: unknown } = Object(await answer.json());
  const { groups, scopes: scope, claims: own } = it.token;
  const tokenClaims = { ...own, groups, ...(scope === null ? {} : { scope: scope.join(' ') }) };
  const registered = { iss: 'local', aud: audience, sub: 'tom', exp: Math.floor(Date.now() / 1000) + 300 };
  return [
    { caller: 'alice', credential: 'alice-key', options: [] },
    { caller: 'client', credential: String(access_token), options: [] },
    {
      caller: 'tom',
      credential: forgeToken({ alg: 'HS256' }, { ...registered, ...tokenClaims }, secret),
      options: ['--claims', JSON.stringify(tokenClaims)],
    },
  ];
}

async function runJson(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await runCommand([...args, '--json'], { environment });
  expect([code, err]).toEqual([0, '']);
  return Object(JSON.parse(out));
}

const namesIn = (text: string): string[] => {
  const { tools }: { tools?: { name: string }[] } = Object(JSON.parse(text));
  return (tools ?? []).map(({ name }) => name).sort();
};
const statuses: Record<string, number> = { hidden: 404, visible: 403, callable: 200 };

/** Asks all four for one caller, and lets each be wrong by itself. */
async function compare(server: TestServer, at: string, subject: Subject, args: object): Promise<void> {
  const { caller, credential, options } = subject;
  const get = (path: string) => fetch(`${at}${path}`, { headers: bearer(credential) });
  const config = ['--config', join(server.directory, 'gatehouse.yaml')];
  const explain = (id: string, ...more: string[]) => runJson(['explain', caller, id, ...options, ...config, ...more]);

  const printed = await runCommand(['manual', '--as', caller, ...options, ...config, '--json'], { environment });
  const served = await get('/utcp');
  const text = await served.text();
  // A token without tools:read is told so, rather than shown nothing.
  if (served.status === 200) expect(printed.out).toBe(text);
  else expect([served.status, namesIn(printed.out)]).toEqual([403, []]);
  const listed = namesIn(printed.out);
  for (const manual of ['a', 'b']) {
    const part = await get(`/utcp/${manual}`);
    const names = listed.filter((name) => ids.includes(`${manual}.${name}`));
    if (served.status !== 200) expect(part.status).toBe(403);
    else expect([part.status, namesIn(await part.text())]).toEqual([names.length > 0 ? 200 : 404, names]);
  }

  for (const [index, id] of ids.entries()) {
    const [manual, name = ''] = id.split('.');
    const withArguments = await explain(id, '--args', JSON.stringify(args));
    // Every other one is also explained without arguments: that costs a load of the configuration each.
    const explained = index % 2 === 0 ? [withArguments, await explain(id)] : [withArguments];
    for (const { verdict } of explained) {
      expect([id, verdict !== 'hidden'], 'explain and the manual').toEqual([id, listed.includes(name)]);
    }
    const called = await fetch(`${at}/tools/${manual}/${name}`, {
      method: 'POST',
      headers: bearer(credential),
      body: JSON.stringify(args),
    });
    const answer: { code?: string; required_scope?: string } = Object(await called.json());
    expect([id, called.status], 'explain and the call').toEqual([id, statuses[String(withArguments.verdict)]]);
    if (called.status === 403) {
      const isScope = withArguments.reason === 'insufficient_scope';
      expect([id, answer.code]).toEqual([id, isScope ? 'insufficient_scope' : 'not_permitted']);
      expect(answer.required_scope).toBe(withArguments.required_scope);
    }
  }
}

/** One case in which every way of being refused occurs. */
const telling: Scenario = {
  r1: { discover: ['*'], call: ['*'], when: 'args.n <= 5' },
  r2: { discover: ['a.*'], call: [] },
  no: { deny: ['a.write_x'] },
  honeypot: true,
  alice: { roles: ['r1', 'no'], scopes: null, claims: {} },
  client: { roles: ['r1'], scopes: ['tools:read', 'tools:execute'], claims: {} },
  token: { groups: ['r2'], scopes: null, claims: {} },
  args: { n: 7 },
};

describe('for any caller, policy and tool', () => {
  it('the manual, the call, explain and manual --as agree (property)', { timeout: 120_000 }, async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(scenario, async (it) => {
        const config = configOf(it);
        const server = await startServer({
          config,
          files,
          environment,
          dependencies: { protocols: createEchoProtocols(), report: () => undefined },
        });
        try {
          const at = `http://127.0.0.1:${addressOf(server.server.app.server).port}`;
          for (const subject of await subjectsOf(it, at)) await compare(server, at, subject, it.args);
          for (const event of server.sink.events) seen.add(`${event.event} ${event.reason ?? ''}`);
        } finally {
          await server.close();
        }
      }),
      { numRuns: 8, examples: [[telling], [{ ...telling, args: { n: 1 } }]] },
    );
    const refusals = ['not_found', 'honeypot', 'no_grant', 'condition_failed', 'insufficient_scope'];
    const expected = ['tool.call ', ...refusals.map((reason) => `tool.denied ${reason}`)];
    expect([...seen]).toEqual(expect.arrayContaining(expected));
  });
});
