import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { LoadError } from '../core/index.js';
import type { OutboundTlsSettings, ToolBinding } from './protocol.js';

/** The lowest TLS version that an upstream may speak. */
const minimumTlsVersion = 'TLSv1.2';

/** The guide's cipher list, behind the three suites of TLS 1.3 (which OpenSSL takes in the same list). */
const tlsCiphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!MD5:!DSS',
].join(':');

/** How connections to an upstream are secured; what `tls.connect`, undici, https and ws take as options. */
export interface TlsProfile {
  readonly options: { readonly secureContext: SecureContext; readonly rejectUnauthorized: boolean };
  /** Equal for profiles that may share connections. */
  readonly key: string;
}

const profiles = new WeakMap<OutboundTlsSettings, Map<boolean, TlsProfile>>();

/**
 * Builds an outbound TLS context; nothing else in the house makes one. The certificate chain and the host name are
 * always checked unless `verify` is false, whatever NODE_TLS_REJECT_UNAUTHORIZED says. A `ca_file` replaces the
 * built-in authorities. Relative files resolve against `baseDir`. Files are read once for each settings object, so a
 * reload reads them again. Throws LoadError for a file that can't be used.
 */
export function createTlsProfile(settings: OutboundTlsSettings, baseDir: string, verify = true): TlsProfile {
  const known = profiles.get(settings) ?? new Map<boolean, TlsProfile>();
  const profile = known.get(verify) ?? buildProfile(settings, baseDir, verify);
  profiles.set(settings, known.set(verify, profile));
  return profile;
}

interface PemFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

function buildProfile(settings: OutboundTlsSettings, baseDir: string, verify: boolean): TlsProfile {
  if ((settings.cert_file === undefined) !== (settings.key_file === undefined)) {
    throw tlsError(
      settings.cert_file ?? settings.key_file ?? '',
      'A client certificate needs its key, and a key its certificate.',
      'Set both tls.cert_file and tls.key_file.',
    );
  }
  const pem: PemFiles = {
    ...(settings.ca_file !== undefined && { ca: readPem(settings.ca_file, baseDir, 'ca_file') }),
    ...(settings.cert_file !== undefined && { cert: readPem(settings.cert_file, baseDir, 'cert_file') }),
    ...(settings.key_file !== undefined && { key: readPem(settings.key_file, baseDir, 'key_file') }),
  };
  return {
    options: { secureContext: buildContext(settings, pem), rejectUnauthorized: verify },
    key: keyOf(pem, verify),
  };
}

// By content: a certificate renewed under its old name must not share the old one's connections.
function keyOf(pem: PemFiles, verify: boolean): string {
  const digest = (file: Buffer | undefined) => file && createHash('sha256').update(file).digest('base64url');
  return [verify, digest(pem.ca), digest(pem.cert), digest(pem.key)].join(':');
}

function buildContext(settings: OutboundTlsSettings, pem: PemFiles): SecureContext {
  try {
    // OpenSSL takes a file without any certificate for an empty list of authorities.
    if (pem.ca) new X509Certificate(pem.ca);
    return createSecureContext({ ...pem, minVersion: minimumTlsVersion, ciphers: tlsCiphers });
  } catch {
    // OpenSSL's message may quote the key file; the files' names are enough to mend it.
    const files = [settings.ca_file, settings.cert_file, settings.key_file].filter((file) => file !== undefined);
    const mend = 'Give PEM files, and a key that belongs to the certificate.';
    throw tlsError(files.join(', '), 'The TLS files cannot be used.', mend);
  }
}

function readPem(file: string, baseDir: string, setting: string): Buffer {
  try {
    return readFileSync(resolve(baseDir, file));
  } catch {
    throw tlsError(file, `tls.${setting} cannot be read.`, 'Name a PEM file that this user may read.');
  }
}

function tlsError(file: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'tls-unusable', file, pointer: '', message, mend });
}

/**
 * The TLS profile of one template. `verify_ssl: false` is honoured only for a host that allow_unverified_tls_hosts
 * names, and then is a warning in every check; otherwise throws LoadError.
 */
export function resolveTlsProfile(hostname: string, verifySsl: boolean, binding: ToolBinding): TlsProfile {
  const place = { file: binding.file, pointer: `${binding.pointer}/verify_ssl` };
  if (!verifySsl) {
    if (!binding.settings.allow_unverified_tls_hosts.some((host) => host.toLowerCase() === hostname)) {
      throw LoadError.of({
        rule: 'tls-unverified-refused',
        ...place,
        message: 'verify_ssl is false, which lets anyone on the way pose as the upstream.',
        mend: 'Take it out, set tls.ca_file for a private authority, or name the host in allow_unverified_tls_hosts.',
      });
    }
    binding.notice({
      rule: 'tls-unverified',
      severity: 'warning',
      ...place,
      message: `The certificate of ${hostname} is not verified.`,
      mend: 'Set tls.ca_file to the authority that signed it and take verify_ssl out.',
    });
  }
  return createTlsProfile(binding.settings.tls, binding.base_dir, verifySsl);
}
