import rateLimit from '@fastify/rate-limit';
import fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { FastifyRateLimitStore } from '../../src/limits/route-store.js';

const servers: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(cache: number) {
  const server = fastify();
  servers.push(server);
  await server.register(rateLimit, {
    global: false,
    store: FastifyRateLimitStore,
    cache,
    keyGenerator: (request) => String(request.headers['x-test-address']),
  });
  server.get('/token', { config: { rateLimit: { max: 2, timeWindow: 60_000 } } }, () => 'ok');
  server.get('/keys', { config: { rateLimit: { max: 1, timeWindow: 60_000 } } }, () => 'ok');
  return (url: string, address: string) => server.inject({ url, headers: { 'x-test-address': address } });
}

describe('the store behind @fastify/rate-limit', () => {
  it('limits a route by address and says when to come again', async () => {
    const get = await serve(100);
    expect((await get('/token', 'a')).headers['x-ratelimit-remaining']).toBe('1');
    expect((await get('/token', 'a')).statusCode).toBe(200);
    const refused = await get('/token', 'a');
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
  });

  it('counts each route apart', async () => {
    const get = await serve(100);
    expect((await get('/keys', 'a')).statusCode).toBe(200);
    expect((await get('/keys', 'a')).statusCode).toBe(429);
    expect((await get('/token', 'a')).statusCode).toBe(200);
  });

  it('keeps a blocked address blocked through 20,000 others, which the plugin’s own store does not', async () => {
    const get = await serve(5000);
    for (let tries = 0; tries < 3; tries++) await get('/token', 'blocked');
    expect((await get('/token', 'blocked')).statusCode).toBe(429);
    for (let other = 0; other < 20_000; other++) await get('/token', `other-${other}`);
    expect((await get('/token', 'blocked')).statusCode).toBe(429);
    expect((await get('/token', 'one-more')).statusCode).toBe(429);
  });

  it('reads without counting', () => {
    const store = new FastifyRateLimitStore({});
    const seen: unknown[] = [];
    const note = (error: Error | null, result?: { current: number; ttl: number }) =>
      seen.push(error ?? result?.current);
    store.read('k', note, 1000, 2);
    store.incr('k', note, 1000, 2);
    store.incr('k', note, 1000, 2);
    store.incr('k', note, 1000, 2);
    store.read('k', note, 1000, 2);
    expect(seen).toEqual([0, 1, 2, 3, 2]);
  });
});
