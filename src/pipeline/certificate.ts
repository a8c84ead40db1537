import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type ClientCertificate, describeCertificate } from '../auth/index.js';

const bySocket = new WeakMap<Socket, ClientCertificate | false>();

/** The client certificate that the TLS layer has verified on this connection; undefined when there is none. */
export function readCertificate(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  let known = bySocket.get(socket);
  if (known === undefined) {
    known = readVerified(socket) ?? false;
    bySocket.set(socket, known);
  }
  return known || undefined;
}

function readVerified(socket: TLSSocket): ClientCertificate | undefined {
  // Unverified certificates name nobody: the listener asks for one but lets callers with other credentials in.
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate && describeCertificate(certificate);
}
