import { describe, expect, it } from 'vitest';
import { importDocument, importOperation } from './document.js';

const schemes = {
  key: { type: 'apiKey', in: 'header', name: 'X-Key' },
  bearer: { type: 'http', scheme: 'bearer' },
  basic: { type: 'http', scheme: 'basic' },
  client: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: 'https://id.example/token', scopes: {} } } },
  person: { type: 'oauth2', flows: { authorizationCode: { authorizationUrl: 'x', tokenUrl: 'y', scopes: {} } } },
  oidc: { type: 'openIdConnect', openIdConnectUrl: 'https://id.example' },
  digest: { type: 'http', scheme: 'digest' },
  tls: { type: 'mutualTLS' },
};

function guarded(...security: readonly Record<string, readonly string[]>[]) {
  return { security, responses: {} };
}

function importGuarded(
  operation: Record<string, unknown>,
  securitySchemes: Record<string, unknown> = schemes,
  options: Parameters<typeof importOperation>[2] = {},
) {
  return importOperation(operation, { components: { securitySchemes } }, { name: 'git-hub', ...options });
}

describe('a security scheme', () => {
  it.each([
    ['key', { auth_type: 'api_key', api_key: '${API_GIT_HUB_KEY}', var_name: 'X-Key', location: 'header' }],
    [
      'bearer',
      { auth_type: 'api_key', api_key: 'Bearer ${API_GIT_HUB_TOKEN}', var_name: 'Authorization', location: 'header' },
    ],
    ['basic', { auth_type: 'basic', username: '${API_GIT_HUB_USERNAME}', password: '${API_GIT_HUB_PASSWORD}' }],
    [
      'client',
      {
        auth_type: 'oauth2',
        token_url: 'https://id.example/token',
        client_id: '${API_GIT_HUB_CLIENT_ID}',
        client_secret: '${API_GIT_HUB_CLIENT_SECRET}',
        scope: 'b a',
      },
    ],
    [
      'person',
      { auth_type: 'api_key', api_key: 'Bearer ${API_GIT_HUB_TOKEN}', var_name: 'Authorization', location: 'header' },
    ],
    [
      'oidc',
      { auth_type: 'api_key', api_key: 'Bearer ${API_GIT_HUB_TOKEN}', var_name: 'Authorization', location: 'header' },
    ],
  ] as const)('%s becomes an auth whose secrets are variables named after the manual', async (name, auth) => {
    const { tool } = await importGuarded(guarded({ [name]: ['b', 'a'] }), { [name]: schemes[name] });
    expect(tool.tool_call_template.auth).toEqual(auth);
    expect(tool.required_scopes).toEqual(['a', 'b']);
  });

  it('is named in its variable where another holds a secret of that kind', async () => {
    const two = { one: schemes.key, otherKey: { ...schemes.key, in: 'query', name: 'k' } };
    const auths = await Promise.all(
      ['one', 'otherKey'].map(async (name) =>
        Object((await importGuarded(guarded({ [name]: [] }), two)).tool.tool_call_template.auth),
      ),
    );
    expect(auths.map(({ api_key }) => api_key)).toEqual(['${API_GIT_HUB_ONE_KEY}', '${API_GIT_HUB_OTHERKEY}']);
  });

  it('of OpenAPI 2 is read', async () => {
    const { manual } = await importDocument({
      swagger: '2.0',
      host: 'api.example',
      securityDefinitions: {
        app: { type: 'oauth2', flow: 'application', tokenUrl: '/token', scopes: {} },
        basic: { type: 'basic' },
      },
      security: [{ basic: [] }],
      paths: { '/a': { get: { responses: {} }, post: { ...guarded({ app: ['w'] }) } } },
    });
    expect(manual.tools.map(({ tool_call_template: { auth } }) => auth)).toEqual([
      { auth_type: 'basic', username: '${API_DEMO_USERNAME}', password: '${API_DEMO_PASSWORD}' },
      expect.objectContaining({ auth_type: 'oauth2', token_url: 'https://api.example/token', scope: 'w' }),
    ]);
  });
});

describe('security requirements', () => {
  it('of the document hold where an operation has none of its own', async () => {
    const { tool } = await importOperation(
      { responses: {} },
      { components: { securitySchemes: schemes }, security: [{ bearer: [] }] },
    );
    expect(tool.tool_call_template.auth).toBeDefined();
  });

  it.each([
    ['is empty', guarded()],
    ['has an alternative of nothing', guarded({ key: [] }, {})],
  ])('that an operation %s make it public: no credential, no scope', async (_name, operation) => {
    const { tool } = await importOperation(operation, {
      components: { securitySchemes: schemes },
      security: [{ bearer: ['a'] }],
    });
    expect(tool.tool_call_template).not.toHaveProperty('auth');
    expect(tool).not.toHaveProperty('required_scopes');
  });

  it('take the first alternative that UTCP can carry', async () => {
    const { tool, report } = await importGuarded(guarded({ digest: [] }, { tls: [] }, { nowhere: [] }, { key: [] }));
    expect(tool.tool_call_template.auth).toMatchObject({ var_name: 'X-Key' });
    expect(report.status).toBe('carried');
  });

  it('that need a second key send it in a header of its own', async () => {
    const { tool } = await importGuarded(guarded({ bearer: [], key: [] }));
    expect(tool.tool_call_template).toMatchObject({
      auth: { var_name: 'Authorization' },
      headers: { 'X-Key': '${API_GIT_HUB_KEY}' },
    });
  });

  it('that cannot be carried are reported', async () => {
    const { report, findings, tool } = await importGuarded(guarded({ digest: [] }));
    expect(tool.tool_call_template).not.toHaveProperty('auth');
    expect(report).toMatchObject({ status: 'partly', problems: ['security scheme digest has no form in UTCP'] });
    expect(findings[0]?.mend).toContain('upstream_auth');
  });

  it('give way to the credential of the configuration, and keep their scopes', async () => {
    const upstream_auth = { auth_type: 'api_key', api_key: '${API_X}', var_name: 'X-Key', location: 'header' };
    const { tool, report } = await importGuarded(guarded({ client: ['s'] }), schemes, { upstream_auth });
    expect(tool.tool_call_template).not.toHaveProperty('auth');
    expect(tool.required_scopes).toEqual(['s']);
    expect(report.status).toBe('carried');
  });
});

describe('the credential', () => {
  it('is no input, even where the document declares it as a parameter', async () => {
    const parameters = [
      { name: 'x-key', in: 'header', required: true, schema: { type: 'string' } },
      { name: 'X-Key', in: 'query', schema: { type: 'string' } },
    ];
    const { tool, rules } = await importGuarded({ ...guarded({ key: [] }), parameters });
    expect(tool.inputs).toMatchObject({ properties: { 'X-Key': {} } });
    expect(tool.tool_call_template).not.toHaveProperty('header_fields');
    expect(rules).toEqual(['openapi-credential-parameter']);
  });

  it('of the configuration is no input either', async () => {
    const parameters = [{ name: 'key', in: 'query', required: true, schema: { type: 'string' } }];
    const upstream_auth = { auth_type: 'api_key', api_key: '${API_X}', var_name: 'key', location: 'query' };
    const { tool } = await importOperation({ parameters, responses: {} }, {}, { upstream_auth });
    expect(tool.inputs.properties).toEqual({});
  });
});
