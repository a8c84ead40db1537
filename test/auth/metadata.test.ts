import { describe, expect, it } from 'vitest';
import { describeAuthorizationServer, describeResource, renderChallenge } from '../../src/auth/metadata.js';

const url = 'https://tools.example';

describe('the metadata', () => {
  it('leads a client from the resource to its authorization servers (RFC 9728)', () => {
    const parts = { public_url: url, issues_tokens: true, issuers: ['https://idp.example/', 'local'] };
    expect(describeResource({ ...parts, client_certificates: true })).toEqual({
      resource: url,
      authorization_servers: [url, 'https://idp.example/'],
      bearer_methods_supported: ['header'],
      scopes_supported: ['tools:read', 'tools:execute'],
      resource_name: 'UTCP tools',
      tls_client_certificate_bound_access_tokens: true,
    });
  });

  it('names no authorization server where there is none', () => {
    const parts = { public_url: url, issues_tokens: false, issuers: [], client_certificates: false };
    expect(describeResource(parts)).not.toHaveProperty('authorization_servers');
  });

  it('describes the token endpoint (RFC 8414)', () => {
    expect(describeAuthorizationServer({ public_url: url })).toMatchObject({
      issuer: url,
      token_endpoint: `${url}/oauth/token`,
      jwks_uri: `${url}/.well-known/jwks.json`,
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    });
  });

  it('challenges without an error when nothing was presented (RFC 6750 section 3.1)', () => {
    expect(renderChallenge(url)).toBe(
      `Bearer realm="utcp", resource_metadata="${url}/.well-known/oauth-protected-resource"`,
    );
  });

  it('names the error and the scope that would do, and nothing can break out of the quotes', () => {
    expect(renderChallenge(url, 'insufficient_scope', 'a"b\\c\r\nSet-Cookie: x')).toBe(
      `Bearer realm="utcp", resource_metadata="${url}/.well-known/oauth-protected-resource", ` +
        'error="insufficient_scope", scope="a\\"b\\\\cSet-Cookie: x"',
    );
  });
});
