import jwt from '@fastify/jwt';
import fastify from 'fastify';
import { adaptFastifyJwt, type JwtVerify } from '../../src/auth/jwt-verify.js';

/** @fastify/jwt as the server registers it: to verify alone, each time with the issuer's own key. */
export async function loadJwtVerify(): Promise<JwtVerify> {
  const app = fastify();
  await app.register(jwt, { secret: { public: 'never used: every verification brings its key' } });
  await app.ready();
  return adaptFastifyJwt((token, options) => app.jwt.verify(token, options));
}
