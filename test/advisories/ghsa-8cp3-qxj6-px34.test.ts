import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { failure, prepare } from '../support/http-call.js';
import { sendJson, startUpstream } from '../support/upstream.js';

const grant = { auth_type: 'oauth2', client_id: 'canary-id', client_secret: 'canary-secret' };

describe('GHSA-8cp3-qxj6-px34: a token URL that nobody checked', () => {
  it.each([
    'http://auth.example.com/token',
    'http://169.254.169.254/latest/api/token',
    'https://10.0.0.1/token',
    'https://[::ffff:127.0.0.1]/token',
    'https://localhost/token',
    'https://user:pass@auth.example.com/token',
    'file:///etc/passwd',
    'not a url',
  ])('%s fails the load', (token_url) => {
    const run = () => prepare({ url: 'https://example.com/', auth: { ...grant, token_url } });
    expect(run).toThrow(LoadError);
    expect(run).not.toThrow(/canary/);
  });

  it('is checked in the configuration’s upstream_auth as well', () => {
    const upstream_auth = { ...grant, token_url: 'https://10.0.0.1/token' };
    expect(() => prepare({ url: 'https://example.com/' }, [], { settings: { upstream_auth } })).toThrow(/private/);
  });

  it.each([302, 307, 308])(
    '%i from the token endpoint is not followed: the client secret goes nowhere else',
    async (status) => {
      const internal = await startUpstream((_request, response) => sendJson(response, { access_token: 'x' }));
      const issuer = await startUpstream((_request, response) =>
        response.writeHead(status, { location: `${internal.origin}/token` }).end(),
      );
      const auth = { ...grant, token_url: `${issuer.origin}/token` };
      const error = await failure(prepare({ url: issuer.origin, auth }));
      expect(error).toMatchObject({ code: 'upstream_failed', reason: 'token_refused' });
      expect(`${error.message} ${error.details.detail}`).not.toMatch(/canary/);
      expect(internal.connections.made).toBe(0);
    },
  );

  it('the token goes to the tool’s own origin alone', async () => {
    const elsewhere = await startUpstream((_request, response) => response.end());
    const issuer = await startUpstream((_request, response) => sendJson(response, { access_token: 'canary-token' }));
    const upstream = await startUpstream((_request, response) =>
      response.writeHead(307, { location: elsewhere.origin }).end(),
    );
    const auth = { ...grant, token_url: `${issuer.origin}/token` };
    expect(await failure(prepare({ url: upstream.origin, auth }))).toMatchObject({ reason: 'redirect_refused' });
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer canary-token');
    expect(elsewhere.connections.made).toBe(0);
  });
});
