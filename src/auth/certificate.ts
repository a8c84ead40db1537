import { hash, type X509Certificate } from 'node:crypto';
import { type CallerDirectory, makePrincipal } from './caller.js';
import type { ClientCertificate, CredentialVerdict, CredentialVerifier, PresentedCredential } from './credential.js';

const notMine: CredentialVerdict = { kind: 'not_mine' };
const entry = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/**
 * Client certificates (RFC 8705 section 2): the listener has verified the chain and the possession of the key; here the
 * thumbprint or an alternative name names the caller. A token that comes beside it speaks for itself and is preferred.
 */
export class CertificateVerifier implements CredentialVerifier {
  readonly kind = 'mtls';
  readonly #callers: CallerDirectory;
  readonly #now: () => number;

  constructor(callers: CallerDirectory, now: () => number = Date.now) {
    this.#callers = callers;
    this.#now = now;
  }

  verify({ token, certificate }: PresentedCredential): CredentialVerdict {
    if (token !== undefined || !certificate) return notMine;
    const caller = certificate.expires_at > this.#now() ? this.#callers.byCertificate(certificate) : undefined;
    if (!caller) return { kind: 'rejected', reason: 'certificate_unknown' };
    const principal = makePrincipal(caller, 'mtls', certificate.thumbprint);
    return { kind: 'principal', principal, expires_at: certificate.expires_at };
  }
}

/** What there is to know of a certificate that TLS has verified; made once for a connection. */
export function describeCertificate(certificate: X509Certificate): ClientCertificate {
  return {
    thumbprint: hash('sha256', certificate.raw, 'base64url'),
    alternative_names: parseAlternativeNames(certificate.subjectAltName ?? ''),
    expires_at: Date.parse(certificate.validTo),
  };
}

/**
 * The names in Node's text of a subjectAltName. A name with a comma in it comes quoted as a JSON string, so that it
 * can't pass for two (CVE-2021-44532); text that does not read to its end names nobody.
 */
export function parseAlternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  entry.lastIndex = 0;
  while (entry.lastIndex < text.length) {
    const [, type, value] = entry.exec(text) ?? [];
    if (type === undefined || value === undefined) return [];
    const name: unknown = value.startsWith('"') ? parseQuoted(value) : value;
    if (typeof name !== 'string') return [];
    names.push(`${type}:${name}`);
  }
  return names;
}

function parseQuoted(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not as Node quotes: the caller refuses the whole text.
    return undefined;
  }
}
