import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../auth/index.js';

const bySocket = new WeakMap<Socket, ClientCertificate | false>();

/** The client certificate that the TLS layer has verified on this connection; undefined when there is none. */
export function readCertificate(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  let known = bySocket.get(socket);
  if (known === undefined) {
    known = describeCertificate(socket) ?? false;
    bySocket.set(socket, known);
  }
  return known || undefined;
}

function describeCertificate(socket: TLSSocket): ClientCertificate | undefined {
  // Unverified certificates name nobody: the listener asks for one but lets callers with other credentials in.
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  return {
    thumbprint: createHash('sha256').update(certificate.raw).digest('base64url'),
    alternative_names: certificate.subjectAltName?.split(', ') ?? [],
    expires_at: Date.parse(certificate.validTo),
  };
}
