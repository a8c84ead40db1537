import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthFailureReason } from '../../src/auth/credential.js';
import { encodePart, forgeToken, makeKey, signInput } from '../support/forge.js';
import { answerJson, StubProvider } from '../support/provider.js';
import { startServer, type TestServer } from '../support/server.js';

const audience = 'https://tools.example';
const issuer = 'https://idp.example/';
const secret = 'a shared secret of more than 32 octets';
const rsa = makeKey('RS256', 'rsa-1');
const pss = makeKey('PS256', 'pss-1');
const ec = makeKey('ES256', 'ec-1');
const ed = makeKey('EdDSA', 'ed-1');
const attacker = makeKey('RS256', 'rsa-1');
const attackerEc = makeKey('ES256', 'ec-1');
const encryptionKey = makeKey('RS256', 'enc-1');
const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });

const now = () => Math.floor(Date.now() / 1000);
const claims = (more: object = {}) => ({
  iss: issuer,
  aud: audience,
  sub: 'alice',
  exp: now() + 60,
  iat: now(),
  ...more,
});
const rs = { alg: 'RS256', kid: 'rsa-1' };
const es = { alg: 'ES256', kid: 'ec-1' };
const rsToken = (more: object = {}, header: object = {}) =>
  forgeToken({ ...rs, ...header }, claims(more), rsa.privateKey);
const without = (claim: string) => rsToken({ [claim]: undefined });
const accessToken = { client_id: 'app', jti: 'token-1' };

const keys = [rsa, pss, ec, ed].map((key) => key.jwk);
const asked: (string | undefined)[] = [];
const provider = new StubProvider((request, response, body) => {
  asked.push(request.url);
  const set = [...keys, { ...encryptionKey.jwk, use: 'enc' }, { kty: 'oct', kid: 'oct-1', k: 'c2VjcmV0' }];
  answerJson({ keys: set })(request, response, body);
});
let server: TestServer;

beforeAll(async () => {
  const jwks_uri = `${await provider.start()}/jwks`;
  server = await startServer({
    config: {
      callers: [{ id: 'alice' }],
      auth: {
        key_sets: { min_refresh_s: 600 },
        jwt: [
          { issuer, audience, jwks_uri, algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
          { issuer: 'https://rs-only.example/', audience, jwks_uri, algorithms: ['RS256'] },
          { issuer: 'https://strict.example/', audience, jwks_uri, algorithms: ['RS256'], token_type: 'at+jwt' },
          { issuer: 'local', audience, secret_variable: 'UTCP_SECRET', algorithms: ['HS256'] },
        ],
      },
      limits: { per_caller: {}, auth_failures_per_address: {}, auth_failures_per_caller: {} },
    },
    environment: { UTCP_SECRET: secret },
    dependencies: { report: () => undefined },
  });
});
afterAll(async () => {
  await server.close();
  await provider.stop();
});

/** What the answer of a running server says, and the event of it. */
async function present(headers: Record<string, string>) {
  const response = await fetch(`${server.url}/utcp`, { headers });
  const { request_id, ...problem }: Record<string, unknown> = Object(await response.json());
  const [event] = server.sink.about(response.headers.get('x-request-id'));
  return { status: response.status, problem, event };
}

const refused = {
  type: 'urn:utcp-gatehouse:problem:invalid_token',
  title: 'Invalid credential',
  status: 401,
  detail: 'The credential was not accepted.',
  code: 'invalid_token',
};

async function reasonFor(token: string): Promise<string | undefined> {
  const { status, problem, event } = await present({ authorization: `Bearer ${token}` });
  if (status === 200) return 'accepted';
  // Whatever it was, the sender learns no more than that.
  expect(problem).toEqual(refused);
  expect(event).toMatchObject({ event: 'auth.failure', outcome: 'denied' });
  return event?.reason;
}

describe('a sound JWT', () => {
  it.each([
    ['RS256', () => rsToken()],
    ['PS256', () => forgeToken({ alg: 'PS256', kid: 'pss-1' }, claims(), pss.privateKey)],
    ['ES256', () => forgeToken(es, claims(), ec.privateKey)],
    ['EdDSA', () => forgeToken({ alg: 'EdDSA', kid: 'ed-1' }, claims(), ed.privateKey)],
    ['HS256', () => forgeToken({ alg: 'HS256' }, claims({ iss: 'local' }), secret)],
    ['typ JWT in any case', () => rsToken({}, { typ: 'jwt' })],
    ['RFC 9068 at+jwt', () => rsToken(accessToken, { typ: 'application/at+JWT' })],
    ['one of several audiences', () => rsToken({ aud: ['https://other.example', audience] })],
    ['a clock that is 3 s behind', () => rsToken({ exp: now() - 3 })],
    ['a clock that is 3 s ahead', () => rsToken({ nbf: now() + 3, iat: now() + 3 })],
    ['an unknown header member', () => rsToken({}, { 'x-trace': 'abc' })],
  ])('is accepted: %s', async (_name, make) => {
    expect(await reasonFor(make())).toBe('accepted');
  });
});

const unsigned = (header: object) => `${encodePart(header)}.${encodePart(claims())}.`;
const cut = (token: string, octets: number) => {
  const [head, body, seal = ''] = token.split('.');
  return `${head}.${body}.${Buffer.from(seal, 'base64url').subarray(0, octets).toString('base64url')}`;
};
const withSignature = (token: string, change: (signature: Buffer) => string) => {
  const [head, body, seal = ''] = token.split('.');
  return `${head}.${body}.${change(Buffer.from(seal, 'base64url'))}`;
};
// The same octets with the unused bits of the last character set.
const respell = (text: string) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? 'A') ^ 1];
};
function derOf(signature: Buffer): Buffer {
  const integer = (octets: Buffer) => {
    const padded = (octets[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), octets]) : octets;
    return Buffer.concat([Buffer.of(2, padded.length), padded]);
  };
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}
const rawHeader = (text: string) => forgeToken(text, claims(), rsa.privateKey, 'RS256');
const rawClaims = (text: string) => forgeToken(rs, text, rsa.privateKey);
const hsWithPublicKey = (header: object) =>
  forgeToken({ alg: 'HS256', kid: 'rsa-1', ...header }, claims(), Buffer.from(rsaPem.toString()));

type Attack = readonly [name: string, reason: AuthFailureReason, make: () => string];
const algorithmAttacks: readonly Attack[] = [
  ['alg none without a signature', 'token_algorithm', () => unsigned({ alg: 'none' })],
  ['alg None', 'token_algorithm', () => unsigned({ alg: 'None', kid: 'rsa-1' })],
  ['no alg', 'token_algorithm', () => unsigned({ typ: 'JWT' })],
  ['alg as an array', 'token_algorithm', () => unsigned({ alg: ['RS256'] })],
  ['RS256 header with its signature taken off', 'token_malformed', () => unsigned(rs)],
  ['HS256 with the RSA public key as the secret (CVE-2016-10555)', 'token_algorithm', () => hsWithPublicKey({})],
  [
    'HS256 with a leading blank before the public key (GHSA-ww5h-9m49-7xx4)',
    'token_algorithm',
    () => forgeToken({ alg: 'HS256', kid: 'rsa-1' }, claims(), Buffer.from(` ${rsaPem}`)),
  ],
  [
    'HS256 with the published oct key',
    'token_algorithm',
    () => forgeToken({ alg: 'HS256', kid: 'oct-1' }, claims(), Buffer.from('secret')),
  ],
  [
    'an algorithm that the issuer does not use',
    'token_algorithm',
    () => forgeToken(es, claims({ iss: 'https://rs-only.example/' }), ec.privateKey),
  ],
  ['RS256 towards an HS256 issuer', 'token_algorithm', () => rsToken({ iss: 'local' })],
  [
    'a PS256 signature by the key that is for RS256 alone',
    'token_key_unknown',
    () => forgeToken({ alg: 'PS256', kid: 'rsa-1' }, claims(), rsa.privateKey),
  ],
  ['RS256 naming the EC key', 'token_key_unknown', () => rsToken({}, { kid: 'ec-1' })],
  [
    'a key that is for encryption',
    'token_key_unknown',
    () => forgeToken({ alg: 'RS256', kid: 'enc-1' }, claims(), encryptionKey.privateKey),
  ],
];
const headerAttacks: readonly Attack[] = [
  [
    'an embedded jwk (CVE-2018-0114)',
    'token_header',
    () => forgeToken({ ...rs, jwk: attacker.jwk }, claims(), attacker.privateKey),
  ],
  ['jku', 'token_header', () => forgeToken({ ...rs, jku: 'https://evil.example/jwks' }, claims(), attacker.privateKey)],
  ['x5u', 'token_header', () => forgeToken({ ...rs, x5u: 'https://evil.example/cert' }, claims(), attacker.privateKey)],
  ['x5c', 'token_header', () => forgeToken({ ...rs, x5c: ['MIIB'] }, claims(), attacker.privateKey)],
  ['crit with an unknown extension', 'token_header', () => rsToken({}, { crit: ['exp2'], exp2: 1 })],
  ['an empty crit', 'token_header', () => rsToken({}, { crit: [] })],
  ['b64 false (RFC 7797)', 'token_header', () => rsToken({}, { b64: false, crit: ['b64'] })],
  [
    'kid traversal',
    'token_header',
    () => forgeToken({ alg: 'HS256', kid: '../../../../dev/null' }, claims({ iss: 'local' }), ''),
  ],
  ['kid as SQL', 'token_header', () => rsToken({}, { kid: "x' UNION SELECT 'k" })],
  ['kid as an object', 'token_header', () => rsToken({}, { kid: { $ne: '' } })],
  ['a kid of 300 characters', 'token_header', () => rsToken({}, { kid: 'k'.repeat(300) })],
  ['an unknown kid', 'token_key_unknown', () => rsToken({}, { kid: 'rsa-2' })],
  [
    'no kid and a key of the attacker',
    'token_signature',
    () => forgeToken({ alg: 'RS256' }, claims(), attacker.privateKey),
  ],
];
const typeAttacks: readonly Attack[] = [
  ['typ of another kind of token', 'token_type', () => rsToken({}, { typ: 'logout+jwt' })],
  ['typ dpop+jwt', 'token_type', () => rsToken({}, { typ: 'dpop+jwt' })],
  ['typ as a number', 'token_type', () => rsToken({}, { typ: 1 })],
  [
    'an identity token where access tokens alone are taken',
    'token_type',
    () => rsToken({ iss: 'https://strict.example/' }, { typ: 'JWT' }),
  ],
  ['at+jwt without client_id (RFC 9068)', 'token_claims', () => rsToken({ jti: 'x' }, { typ: 'at+jwt' })],
  ['at+jwt without jti (RFC 9068)', 'token_claims', () => rsToken({ client_id: 'x' }, { typ: 'at+jwt' })],
];
const formAttacks: readonly Attack[] = [
  ['a huge token', 'token_too_large', () => rsToken({ pad: 'x'.repeat(9000) })],
  ['a member twice in the header', 'token_malformed', () => rawHeader('{"alg":"RS256","kid":"rsa-1","alg":"none"}')],
  [
    'a member twice in the header, once escaped',
    'token_malformed',
    () => rawHeader('{"alg":"RS256","kid":"rsa-1","\\u0061lg":"HS256"}'),
  ],
  [
    'a claim twice',
    'token_malformed',
    () => rawClaims(`{"iss":"${issuer}","aud":"${audience}","sub":"bob","sub":"alice","exp":${now() + 60}}`),
  ],
  [
    'a claim twice in a nested object',
    'token_malformed',
    () => rawClaims(JSON.stringify(claims({ cnf: 0 })).replace('"cnf":0', '"cnf":{"a":1,"a":2}')),
  ],
  ['a header that is no JSON', 'token_malformed', () => rawHeader('eyJ')],
  ['a header that is an array', 'token_malformed', () => rawHeader('["RS256"]')],
  ['claims that are a text', 'token_malformed', () => rawClaims('"alice"')],
  [
    'claims that are not UTF-8',
    'token_malformed',
    () => {
      const input = `${encodePart(rs)}.${Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]).toString('base64url')}`;
      return `${input}.${signInput('RS256', input, rsa.privateKey).toString('base64url')}`;
    },
  ],
  ['five parts (JWE)', 'token_malformed', () => `${rsToken()}.a.b`],
  ['one part', 'token_malformed', () => encodePart(rs)],
  ['padding in a part', 'malformed_credential', () => rsToken().replace('.', '=.')],
  ['an impossible base64url length', 'token_malformed', () => `${unsigned(rs)}A`.replace('.', 'A.')],
];
const signatureAttacks: readonly Attack[] = [
  ['another key under the same kid', 'token_signature', () => forgeToken(rs, claims(), attacker.privateKey)],
  ['another EC key under the same kid', 'token_signature', () => forgeToken(es, claims(), attackerEc.privateKey)],
  [
    'changed claims under an old signature',
    'token_signature',
    () => {
      const [head, , seal] = rsToken().split('.');
      return `${head}.${encodePart(claims({ sub: 'root' }))}.${seal}`;
    },
  ],
  ['a truncated RS256 signature', 'token_signature', () => cut(rsToken(), 200)],
  [
    'a truncated HS256 signature',
    'token_signature',
    () => cut(forgeToken({ alg: 'HS256' }, claims({ iss: 'local' }), secret), 16),
  ],
  ['a truncated ES256 signature', 'token_signature', () => cut(forgeToken(es, claims(), ec.privateKey), 63)],
  [
    'an ES256 signature in DER',
    'token_signature',
    () => withSignature(forgeToken(es, claims(), ec.privateKey), (signature) => derOf(signature).toString('base64url')),
  ],
  [
    'an ES256 signature of zeros (CVE-2022-21449)',
    'token_signature',
    () => withSignature(forgeToken(es, claims(), ec.privateKey), () => Buffer.alloc(64).toString('base64url')),
  ],
  [
    'an ES256 signature of numbers beyond the order of the curve',
    'token_signature',
    () => withSignature(forgeToken(es, claims(), ec.privateKey), () => Buffer.alloc(64, 255).toString('base64url')),
  ],
  [
    'an ES256 signature in a second spelling',
    'token_signature',
    () =>
      withSignature(forgeToken(es, claims(), ec.privateKey), (signature) => respell(signature.toString('base64url'))),
  ],
  [
    'a wrong HS256 secret',
    'token_signature',
    () => forgeToken({ alg: 'HS256' }, claims({ iss: 'local' }), 'another secret of more than 32 octets'),
  ],
];
const claimAttacks: readonly Attack[] = [
  ['an unknown issuer', 'token_issuer', () => rsToken({ iss: 'https://evil.example/' })],
  ['an issuer that differs by one slash', 'token_issuer', () => rsToken({ iss: 'https://idp.example' })],
  ['issuers in an array', 'token_issuer', () => rsToken({ iss: [issuer] })],
  ['no issuer', 'token_issuer', () => without('iss')],
  [
    'a token of one issuer signed by another',
    'token_signature',
    () => forgeToken({ alg: 'HS256' }, claims({ iss: 'local' }), Buffer.from(rsaPem.toString())),
  ],
  ['another audience', 'token_audience', () => rsToken({ aud: 'https://other.example' })],
  ['an audience that begins like ours', 'token_audience', () => rsToken({ aud: `${audience}.evil.example` })],
  ['no audience', 'token_claims', () => without('aud')],
  ['an empty list of audiences', 'token_audience', () => rsToken({ aud: [] })],
  ['an audience that is a number', 'token_claims', () => rsToken({ aud: 5 })],
  ['an expired token', 'token_expired', () => rsToken({ exp: now() - 60 })],
  ['no expiry', 'token_claims', () => without('exp')],
  ['an expiry as text', 'token_claims', () => rsToken({ exp: '9999999999' })],
  [
    'an endless expiry',
    'token_claims',
    () => rawClaims(JSON.stringify(claims({ exp: 0 })).replace('"exp":0', '"exp":1e999')),
  ],
  ['expiries in an array', 'token_claims', () => rsToken({ exp: [now() + 60] })],
  ['not before, in the future', 'token_not_yet_valid', () => rsToken({ nbf: now() + 60 })],
  ['issued in the future', 'token_not_yet_valid', () => rsToken({ iat: now() + 60 })],
  ['no subject', 'token_claims', () => without('sub')],
  ['an empty subject', 'token_claims', () => rsToken({ sub: '' })],
  ['a subject with a line break', 'token_claims', () => rsToken({ sub: 'alice\nroot' })],
  ['a subject of 300 characters', 'token_claims', () => rsToken({ sub: 'a'.repeat(300) })],
  ['a scope that is a number', 'token_claims', () => rsToken({ scope: 7 })],
  ['a scope that is null', 'token_claims', () => rsToken({ scope: null })],
  ['a jti that is an object', 'token_claims', () => rsToken({ jti: {} })],
  ['a key binding that this server cannot check', 'token_binding', () => rsToken({ cnf: { jkt: 'abc' } })],
  ['a certificate binding without the certificate', 'token_binding', () => rsToken({ cnf: { 'x5t#S256': 'abc' } })],
];

describe.each([
  ['algorithms', algorithmAttacks],
  ['headers', headerAttacks],
  ['types', typeAttacks],
  ['forms', formAttacks],
  ['signatures', signatureAttacks],
  ['claims', claimAttacks],
])('the JWT attack table: %s', (_group, attacks) => {
  it.each(attacks)('refuses %s as %s', async (_name, reason, make) => {
    expect(await reasonFor(make())).toBe(reason);
  });
});

describe('a JWT', () => {
  it('never makes the server ask an address that the token names', () => {
    expect(new Set(asked)).toEqual(new Set(['/jwks']));
  });

  it('cannot make the server ask the provider again and again: an unknown key is asked for once in a while', () => {
    expect(asked).toHaveLength(1);
  });

  it('is no API key: X-API-Key does not carry it', async () => {
    const { status, event } = await present({ 'x-api-key': rsToken() });
    expect([status, event?.reason]).toEqual([401, 'unknown_key']);
  });

  it('names in the log the configured caller that a refused token pretended to be, and nobody else', async () => {
    const attempt = (sub: string) =>
      present({ authorization: `Bearer ${forgeToken(rs, claims({ sub }), attacker.privateKey)}` });
    expect((await attempt('alice')).event).toMatchObject({ reason: 'token_signature', caller: 'alice' });
    expect((await attempt('nobody')).event?.caller).toBeUndefined();
  });
});
