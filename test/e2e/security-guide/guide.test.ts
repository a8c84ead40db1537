import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient, RateLimitedError } from '../../../src/client/index.js';
import { makeFolder } from '../../support/scratch.js';
import { bearer, keyEntry, startServer } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const key = 'guide-key';
const manual = (tool: object) => ({ utcp_version: '1.1.0', manual_version: '1.0.0', tools: [tool] });

/** The guide's three tools, `db.query`, `file.read` and `api.test`, behind a server with its default limits. */
async function startGuide() {
  const upstream = await startUpstream((_request, response) => sendJson(response, { rows: [] }));
  const folder = makeFolder();
  await writeFile(join(folder, 'note.txt'), 'hello');
  const http = { call_template_type: 'http', url: '${API_UPSTREAM_URL}/x' };
  const server = await startServer({
    environment: { API_UPSTREAM_URL: upstream.origin },
    files: {
      'db.yaml': manual({
        name: 'query',
        description: 'Looks a table up.',
        inputs: {
          type: 'object',
          properties: { query: { type: 'string', pattern: '^[a-zA-Z0-9_ ]+$', maxLength: 100 } },
          required: ['query'],
          additionalProperties: false,
        },
        tool_call_template: http,
      }),
      'file.yaml': manual({
        name: 'read',
        description: 'Reads a note.',
        inputs: {
          type: 'object',
          properties: { path: { type: 'string', maxLength: 200 } },
          required: ['path'],
          additionalProperties: false,
        },
        tool_call_template: { call_template_type: 'text', file_path: `${folder}/\${path}`, allowed_paths: [folder] },
      }),
      'api.yaml': manual({
        name: 'test',
        description: 'Does a test.',
        inputs: { type: 'object', properties: {}, additionalProperties: false },
        tool_call_template: http,
      }),
    },
    config: {
      manuals: ['db', 'file', 'api'].map((name) => ({
        name,
        source: `./${name}.yaml`,
        allow_private_hosts: ['127.0.0.1'],
      })),
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry(key) } }],
    },
  });
  onTestFinished(() => server.close());
  const client = createClient({ url: `${server.url}/utcp`, credential: { bearer: key }, retries: 0 });
  onTestFinished(() => client.close());
  const post = (tool: string, body: object) =>
    fetch(`${server.url}/tools/${tool}`, { method: 'POST', headers: bearer(key), body: JSON.stringify(body) });
  return { client, post, upstream };
}

describe("the guide's security tests", () => {
  it('test_injection_prevention', async () => {
    const { client, post, upstream } = await startGuide();
    const malicious_input = "'; DROP TABLE users; --";
    await expect(client.call('db.query', { query: malicious_input })).rejects.toThrowError('Invalid input');
    const answer = await post('db/query', { query: malicious_input });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ title: 'Invalid input', errors: [{ pointer: '/query' }] });
    expect(upstream.requests).toEqual([]);
    expect(await client.call('db.query', { query: 'users' })).toEqual({ rows: [] });
  });

  it('test_path_traversal_prevention', async () => {
    const { client, post } = await startGuide();
    const malicious_path = '../../../etc/passwd';
    await expect(client.call('file.read', { path: malicious_path })).rejects.toThrowError('Path not allowed');
    const answer = await post('file/read', { path: malicious_path });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ title: 'Path not allowed', code: 'path_not_allowed' });
    expect(await client.call('file.read', { path: 'note.txt' })).toBe('hello');
  });

  it('test_rate_limiting', async () => {
    const { client } = await startGuide();
    let error: unknown;
    let passed = 0;
    for (; passed < 100 && error === undefined; passed++) {
      await client.call('api.test', {}).catch((reason: unknown) => {
        error = reason;
      });
    }
    expect(error).toBeInstanceOf(RateLimitedError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^Rate limit exceeded/),
      retry_after: expect.any(Number),
    });
    expect(passed).toBeLessThanOrEqual(61);
  });
});
