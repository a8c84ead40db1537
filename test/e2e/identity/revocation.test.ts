import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createKey, revokeCaller, revokeKeys, revokeToken } from '../../../src/auth/index.js';
import { forgeToken } from '../../support/forge.js';
import { bearer, startServer } from '../../support/server.js';
import { startUpstream } from '../../support/upstream.js';

const secret = 'a shared secret of more than 32 octets';
const audience = 'https://tools.example';

it('what is taken back ends what runs for it within a second: streams and connections, and nobody else’s', async () => {
  const upstream = await startUpstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  const tool = {
    name: 'watch',
    description: 'Watches.',
    inputs: { type: 'object', properties: {} },
    tool_call_template: { call_template_type: 'sse', url: `${upstream.origin}/events` },
  };
  const server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml', allow_private_hosts: ['127.0.0.1'], timeout_ms: 60_000 }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: ['alice', 'bob', 'carol'].map((id) => ({ id, roles: ['user'] })),
      auth: {
        keys_file: 'keys.yaml',
        jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }],
      },
    },
    files: {
      'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [tool] },
      'keys.yaml': 'callers: {}\n...\n',
    },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { report: () => undefined },
  });
  const file = join(server.directory, 'keys.yaml');
  const exp = Math.floor(Date.now() / 1000) + 300;
  const tokenOf = (sub: string, jti: string) =>
    forgeToken({ alg: 'HS256' }, { iss: 'local', aud: audience, sub, jti, exp }, secret);

  /** Opens a stream and reads it; `ended` has its last words once it is over. */
  async function watch(credential: string) {
    const response = await fetch(`${server.url}/tools/m/watch`, {
      method: 'POST',
      headers: { ...bearer(credential), accept: 'text/event-stream' },
    });
    expect(response.status).toBe(200);
    const seen = { ended: '', id: response.headers.get('x-request-id') };
    void response.text().then((text) => {
      seen.ended = text;
    });
    return seen;
  }
  const within = { timeout: 5000, interval: 20 };

  try {
    const { secret: key, sha256 } = createKey(file, 'alice');
    const { secret: other } = createKey(file, 'bob');
    await expect
      .poll(async () => (await fetch(`${server.url}/utcp`, { headers: bearer(other) })).status, within)
      .toBe(200);
    const byKey = await watch(key);
    const byToken = await watch(tokenOf('alice', 'one'));
    const byOther = await watch(tokenOf('alice', 'two'));
    const bob = await watch(other);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/tools/m/watch/ws`, {
      headers: bearer(tokenOf('carol', 'three')),
    });
    await once(socket, 'open');

    revokeKeys(file, { digest: sha256 });
    await expect.poll(() => byKey.ended, within).toContain('event: error');
    expect(byKey.ended).toContain('"code":"invalid_token"');
    expect([byToken.ended, byOther.ended, bob.ended]).toEqual(['', '', '']);
    revokeToken(file, 'one');
    await expect.poll(() => byToken.ended, within).toContain('"code":"invalid_token"');
    expect([byOther.ended, bob.ended]).toEqual(['', '']);
    revokeCaller(file, 'alice');
    await expect.poll(() => byOther.ended, within).toContain('"code":"invalid_token"');
    expect([bob.ended, socket.readyState]).toEqual(['', WebSocket.OPEN]);

    const closed = once(socket, 'close');
    revokeCaller(file, 'carol');
    const [code] = await closed;
    expect(code).toBe(1008);
    expect(bob.ended).toBe('');
    expect(server.sink.about(byKey.id).filter(({ event }) => event !== 'auth.success')).toMatchObject([
      { caller: 'alice', tool: 'm.watch', reason: 'credential_revoked' },
    ]);
  } finally {
    await server.close();
  }
});
