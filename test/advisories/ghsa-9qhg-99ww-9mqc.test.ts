import { describe, expect, it } from 'vitest';
import { failure, prepare } from '../support/http-call.js';
import { startUpstream } from '../support/upstream.js';

describe('GHSA-9qhg-99ww-9mqc: redirects followed into internal hosts', () => {
  it.each([301, 302, 303, 307, 308])('%i to an internal host is refused, unsent', async (status) => {
    const internal = await startUpstream((_request, response) => response.end('secret'));
    const upstream = await startUpstream((_request, response) =>
      response.writeHead(status, { location: `${internal.origin}/latest/meta-data/` }).end(),
    );
    const error = await failure(prepare({ url: upstream.origin }));
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'redirect_refused' });
    expect(internal.connections.made).toBe(0);
  });

  it('even where the configuration allows the host itself: another port is another origin', async () => {
    const other = await startUpstream((_request, response) => response.end('secret'));
    const upstream = await startUpstream((_request, response) =>
      response.writeHead(302, { location: `//127.0.0.1:${other.port}/` }).end(),
    );
    const auth = { auth_type: 'api_key', api_key: 'canary', var_name: 'X-Key' };
    expect(await failure(prepare({ url: upstream.origin, auth }))).toMatchObject({ reason: 'redirect_refused' });
    expect(other.requests).toEqual([]);
  });

  it('a chain that begins on the same origin and leaves it later is refused at the hop that leaves', async () => {
    const upstream = await startUpstream((request, response) =>
      response.writeHead(302, { location: request.url === '/' ? '/next' : 'http://169.254.169.254/' }).end(),
    );
    expect(await failure(prepare({ url: upstream.origin }))).toMatchObject({ reason: 'address_special' });
    expect(upstream.requests.map((request) => request.url)).toEqual(['/', '/next']);
  });
});
