import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authSchema } from '../../src/auth/config.js';
import { KeySets, RemoteKeySet } from '../../src/auth/jwks.js';
import type { KeyAnswer } from '../../src/auth/key-source.js';
import { fetchJson } from '../support/fetch-json.js';
import { makeKey } from '../support/forge.js';
import { answerJson, answerNothing, type ProviderBehaviour, StubProvider } from '../support/provider.js';

const one = makeKey('ES256', 'one');
const two = makeKey('ES256', 'two');
const config = authSchema.parse({
  key_sets: { max_age_s: 100, min_refresh_s: 10, max_stale_s: 50, timeout_ms: 2000, max_bytes: 10_000 },
}).key_sets;
const unavailable = { refused: 'issuer_unavailable' };
const unknownKey = { refused: 'token_key_unknown' };

let provider: StubProvider;
let now: number;
let set: RemoteKeySet;

beforeEach(async () => {
  now = 1_000_000;
  provider = new StubProvider(answerJson({ keys: [one.jwk] }));
  set = new RemoteKeySet(await provider.start(), config, fetchJson, () => now);
});
afterEach(() => provider.stop());

const find = async (kid: string | null = 'one', algorithm: 'ES256' | 'RS256' = 'ES256') =>
  set.find(kid ?? undefined, algorithm);
const pem = (key: typeof one): KeyAnswer => ({
  key: String(key.publicKey.export({ type: 'spki', format: 'pem' })).trimEnd(),
  remember_until: expect.any(Number),
});
const waitUntil = async (condition: () => boolean) => {
  const end = Date.now() + 5000;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
};

const failures: readonly (readonly [name: string, behaviour: ProviderBehaviour])[] = [
  ['slow', answerNothing],
  ['answering 500', (_request, response) => response.writeHead(500).end('{"keys":[]}')],
  ['answering garbage', (_request, response) => response.end('<html>not a key set</html>')],
  ['answering another JSON document', answerJson({ error: 'moved' })],
  ['answering with more than the cap', answerJson({ keys: [one.jwk], pad: 'x'.repeat(20_000) })],
  ['answering with a thousand keys', answerJson({ keys: Array.from({ length: 1000 }, () => 1) })],
  ['redirecting', (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['hanging up', (request) => request.socket.destroy()],
];

describe('a key set by URL', () => {
  it('is asked for once, and then answers at once', async () => {
    expect(await find()).toEqual(pem(one));
    expect(set.find('one', 'ES256')).toEqual(pem(one));
    expect(provider.requests).toBe(1);
  });

  it('says how long what it verified may be remembered: until it should be refreshed, and never past its end', async () => {
    const fetched = now;
    expect(await find()).toHaveProperty('remember_until', fetched + 100_000);
    await provider.stop();
    now = fetched + 110_000;
    expect(await find()).toHaveProperty('remember_until', now + 10_000);
    now = fetched + 149_000;
    expect(await find()).toHaveProperty('remember_until', fetched + 150_000);
  });

  it('is asked for once by a hundred requests at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => find()));
    expect(answers).toEqual(Array(100).fill(pem(one)));
    expect(provider.requests).toBe(1);
  });

  it('finds a new key as soon as a token names it', async () => {
    await find();
    provider.behave = answerJson({ keys: [one.jwk, two.jwk] });
    now += 10_000;
    expect(await find('two')).toEqual(pem(two));
    expect(provider.requests).toBe(2);
  });

  it('cannot be used to flood the provider with unknown key ids', async () => {
    await find();
    for (let round = 0; round < 3; round++) {
      now += 10_000;
      const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => find(`made-up-${round}-${index}`)));
      expect(answers.every((answer) => 'refused' in answer && answer.refused === 'token_key_unknown')).toBe(true);
    }
    expect(provider.requests).toBe(4);
  });

  it('drops a key that the provider withdrew, once the set is older than max_age_s', async () => {
    await find();
    provider.behave = answerJson({ keys: [two.jwk] });
    now += 100_001;
    expect(await find()).toEqual(pem(one));
    await waitUntil(() => provider.requests === 2);
    await expect.poll(() => set.find('two', 'ES256')).toEqual(pem(two));
    expect(await find()).toEqual(unknownKey);
  });

  it('refuses a token without kid where several keys could be meant', async () => {
    expect(await find(null)).toEqual(pem(one));
    provider.behave = answerJson({ keys: [one.jwk, two.jwk] });
    now += 10_000;
    expect(await find('two')).toEqual(pem(two));
    expect(await find(null)).toEqual(unknownKey);
  });

  it.each([
    ['for encryption', { use: 'enc' }],
    ['for other operations', { use: undefined, key_ops: ['sign'] }],
    ['for another algorithm', { alg: 'ES384' }],
    ['on another curve', { crv: 'P-384' }],
    ['with its private part', { d: 'c2VjcmV0' }],
    ['that is broken', { x: 'AAAA' }],
  ])('never uses a key %s', async (_name, change) => {
    provider.behave = answerJson({ keys: [{ ...one.jwk, ...change }] });
    expect(await find()).toEqual(unknownKey);
  });

  it('never uses an EC key for RSA', async () => {
    expect(await find('one', 'RS256')).toEqual(unknownKey);
  });

  it('passes over a key of a kind that it does not know', async () => {
    provider.behave = answerJson({
      keys: [{ kty: 'PQC', kid: 'new' }, { kty: 'oct', kid: 'one', k: 'AAAA' }, one.jwk],
    });
    expect(await find()).toEqual(pem(one));
  });

  it('outlives a reload, and begins anew when its rules change', async () => {
    const { url } = provider;
    const sets = new KeySets(fetchJson, () => now);
    await sets.get(url, config).find('one', 'ES256');
    await provider.stop();
    expect(sets.get(url, config).find('one', 'ES256')).toEqual(pem(one));
    expect(await sets.get(url, { ...config, timeout_ms: 2001 }).find('one', 'ES256')).toEqual(unavailable);
  });
});

describe.each(failures)('a provider %s', (_name, behaviour) => {
  it('at start: its tokens are refused, and it is asked again only after min_refresh_s', async () => {
    const good = provider.behave;
    provider.behave = behaviour;
    expect(await find()).toEqual(unavailable);
    now += 9_999;
    expect(await find()).toEqual(unavailable);
    expect(provider.requests).toBe(1);
    now += 1;
    provider.behave = good;
    expect(await find()).toEqual(pem(one));
  });

  it('later: known keys stay good for max_age_s and max_stale_s, then its tokens are refused, then it recovers', async () => {
    const good = provider.behave;
    await find();
    provider.behave = behaviour;
    now += 150_000;
    expect(set.find('one', 'ES256')).toEqual(pem(one));
    await waitUntil(() => provider.requests === 2);
    expect(await find('two')).toEqual(unavailable);
    now += 10_001;
    expect(await find()).toEqual(unavailable);
    provider.behave = good;
    now += 10_001;
    expect(await find()).toEqual(pem(one));
  });
});

describe('a provider that is down', () => {
  it('is refused at start and found again when it is back', async () => {
    const { port } = new URL(provider.url);
    await provider.stop();
    expect(await find()).toEqual(unavailable);
    const back = new StubProvider(answerJson({ keys: [one.jwk] }));
    await back.start(Number(port));
    now += 10_000;
    expect(await find()).toEqual(pem(one));
    await back.stop();
  });
});
