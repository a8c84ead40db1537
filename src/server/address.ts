import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/index.js';

/** Whether the app takes TLS itself. */
export function isSecure(app: FastifyInstance): boolean {
  return app.server instanceof TlsServer;
}

/**
 * Where an app is reached. The name that the configuration gives is kept; what another's app listens on is known by its
 * address alone. An unspecified address is no place that a caller can go to.
 */
export function describeAddress(app: FastifyInstance, settings: ServerConfig, isGuest: boolean): string {
  const listening = app.server.address();
  const { address, port } =
    typeof listening === 'object' && listening ? listening : { address: undefined, ...settings };
  const host = (isGuest ? address : undefined) ?? settings.host;
  const place = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  return `${isSecure(app) ? 'https' : 'http'}://${place.includes(':') ? `[${place}]` : place}:${port}`;
}
