import { type Finding, LoadError, type Principal, toPointer } from '../core/index.js';
import type { CallerConfig } from './config.js';
import type { ClientCertificate } from './credential.js';
import { matchesDigest } from './digest.js';

/** One API key of a caller, ready to be compared. */
export interface CallerKey {
  readonly digest: Buffer;
  /** Epoch milliseconds; undefined: no bound. */
  readonly not_before: number | undefined;
  readonly expires_at: number | undefined;
  /** What a request with this key is; one object for all of them. */
  readonly principal: Principal;
}

/** An API key as the configuration or the keys file writes it. */
export interface KeyEntry {
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  readonly not_before?: string | undefined;
  readonly expires_at?: string | undefined;
}

/** A configured caller that is an OAuth client. */
export interface OAuthClient {
  readonly caller: CallerConfig;
  readonly client_id: string;
  readonly secret_digest: Buffer;
  readonly scopes: readonly string[];
}

interface Indexes {
  readonly callers: Map<string, CallerConfig>;
  readonly keys: Map<string, CallerKey>;
  readonly clients: Map<string, OAuthClient>;
  readonly thumbprints: Map<string, CallerConfig>;
  readonly names: Map<string, CallerConfig>;
}

/**
 * The configured callers by id, API key, OAuth client id and client certificate. Built whole at load; only the keys of
 * the keys file may be exchanged later.
 */
export class CallerDirectory {
  readonly #index: Indexes = {
    callers: new Map(),
    keys: new Map(),
    clients: new Map(),
    thumbprints: new Map(),
    names: new Map(),
  };
  #fileKeys: ReadonlyMap<string, CallerKey> = new Map();

  /**
   * `file` names the configuration in findings. Throws LoadError that lists every id, key, client id and certificate
   * that two callers share.
   */
  constructor(callers: readonly CallerConfig[], file?: string) {
    const findings = callers.flatMap((caller, position) => this.#add(caller, position, file));
    if (findings.length > 0) throw new LoadError(findings);
  }

  get size(): number {
    return this.#index.callers.size;
  }

  byId(id: string): CallerConfig | undefined {
    return this.#index.callers.get(id);
  }

  byClientId(clientId: string): OAuthClient | undefined {
    return this.#index.clients.get(clientId);
  }

  /** The key with this SHA-256 digest. The found digest is compared in constant time, whole. */
  byKeyDigest(digest: Buffer): CallerKey | undefined {
    const name = digest.toString('base64url');
    const key = this.#index.keys.get(name) ?? this.#fileKeys.get(name);
    return key && matchesDigest(key.digest, digest) ? key : undefined;
  }

  /** The caller that a verified client certificate names: by thumbprint first, then by alternative name. */
  byCertificate(certificate: ClientCertificate): CallerConfig | undefined {
    const byThumbprint = this.#index.thumbprints.get(certificate.thumbprint);
    if (byThumbprint) return matchesBoth(byThumbprint, certificate) ? byThumbprint : undefined;
    for (const name of certificate.alternative_names) {
      const caller = this.#index.names.get(normalizeName(name));
      if (caller) return caller;
    }
    return undefined;
  }

  /**
   * Exchanges all keys that came from the keys file for these. Keys of callers that the configuration does not know
   * grant nothing and are left out; their ids are returned.
   */
  replaceFileKeys(keys: ReadonlyMap<string, readonly KeyEntry[]>): readonly string[] {
    const next = new Map<string, CallerKey>();
    const unknown: string[] = [];
    for (const [id, entries] of keys) {
      const caller = this.byId(id);
      if (!caller) unknown.push(id);
      else for (const entry of entries) next.set(digestName(entry.sha256), bindKey(caller, entry));
    }
    this.#fileKeys = next;
    return unknown;
  }

  #add(caller: CallerConfig, position: number, file: string | undefined): readonly Finding[] {
    const { callers, keys, clients, thumbprints, names } = this.#index;
    const findings: Finding[] = [];
    const claim = <Value>(map: Map<string, Value>, key: string, value: Value, what: string, ...path: string[]) => {
      if (map.has(key)) findings.push(shared(what, toPointer('callers', position, ...path), file));
      else map.set(key, value);
    };
    claim(callers, caller.id, caller, 'id', 'id');
    for (const slot of ['current', 'next'] as const) {
      const entry = caller.api_keys?.[slot];
      if (entry) claim(keys, digestName(entry.sha256), bindKey(caller, entry), 'API key', 'api_keys', slot, 'sha256');
    }
    const { oauth_client: client, certificate } = caller;
    if (client) {
      const { client_id, scopes } = client;
      const bound = { caller, client_id, scopes, secret_digest: Buffer.from(client.secret_sha256, 'hex') };
      claim(clients, client_id, bound, 'client_id', 'oauth_client', 'client_id');
    }
    if (certificate?.sha256 !== undefined) {
      claim(thumbprints, digestName(certificate.sha256), caller, 'certificate', 'certificate', 'sha256');
    } else if (certificate?.san !== undefined) {
      claim(names, normalizeName(certificate.san), caller, 'alternative name', 'certificate', 'san');
    }
    return findings;
  }
}

/** The principal of a configured caller for one credential of it. */
export function makePrincipal(caller: CallerConfig, source: Principal['source'], digest: string): Principal {
  return Object.freeze({
    id: caller.id,
    source,
    roles: sortNames(caller.roles),
    scopes: caller.scopes && sortNames(caller.scopes),
    claims: caller.claims,
    credential_digest: digest,
  });
}

/** Sorted and without repeats, as a Principal's lists are. */
export function sortNames(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].sort();
}

function bindKey(caller: CallerConfig, entry: KeyEntry): CallerKey {
  const digest = Buffer.from(entry.sha256, 'hex');
  return {
    digest,
    not_before: entry.not_before === undefined ? undefined : Date.parse(entry.not_before),
    expires_at: entry.expires_at === undefined ? undefined : Date.parse(entry.expires_at),
    principal: makePrincipal(caller, 'api_key', digest.toString('base64url')),
  };
}

function digestName(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url');
}

// Host names compare without case (RFC 4343); other kinds as they are.
function normalizeName(name: string): string {
  return name.startsWith('DNS:') ? name.toLowerCase() : name;
}

// A caller configured with both must show both: the thumbprint alone found it.
function matchesBoth(caller: CallerConfig, certificate: ClientCertificate): boolean {
  const name = caller.certificate?.san;
  if (name === undefined) return true;
  return certificate.alternative_names.some((other) => normalizeName(other) === normalizeName(name));
}

function shared(what: string, pointer: string, file: string | undefined): Finding {
  return {
    rule: 'caller-duplicate',
    severity: 'error',
    ...(file === undefined ? {} : { file }),
    pointer,
    message: `Two callers share one ${what}.`,
    mend: `Give each caller its own ${what}.`,
  };
}
