import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LoadError } from '../core/index.js';
import type { ChainHead } from './chain.js';
import type { SecurityLogConfig } from './config.js';
import type { SecurityEvent } from './event.js';

/** Signs the head of a chain, and so everything before it. */
export interface CheckpointSigner {
  /** The record that vouches for `head`; it must be sealed right after it. */
  sign(head: ChainHead): Extract<SecurityEvent, { event: 'log.checkpoint' }>;
}

/**
 * Reads the Ed25519 private key that the configuration names; undefined when it names none.
 *
 * @throws LoadError when the key is missing, unreadable or of another kind
 */
export function readSigner(
  config: SecurityLogConfig,
  readVariable: (name: string) => string | undefined = () => undefined,
): CheckpointSigner | undefined {
  const pem = readPem(config, readVariable);
  if (pem === undefined) return undefined;
  const key = toEd25519(pem);
  if (!key) throw refuseKey('is no Ed25519 private key in PEM (PKCS #8)');
  return createSigner(key);
}

function createSigner(key: KeyObject): CheckpointSigner {
  const name = nameKey(createPublicKey(key));
  return {
    sign: (head) => ({
      event: 'log.checkpoint',
      outcome: 'success',
      key: name,
      signature: sign(null, toMessage(head), key).toString('base64url'),
    }),
  };
}

/** Says whether `signature` (base64url) is the key's for `head`. */
export function verifyCheckpoint(key: KeyObject, head: ChainHead, signature: string): boolean {
  return verify(null, toMessage(head), key, Buffer.from(signature, 'base64url'));
}

/** The name of a public key in checkpoints: the start of the SHA-256 of its SubjectPublicKeyInfo. */
export function nameKey(key: KeyObject): string {
  return hash('sha256', key.export({ type: 'spki', format: 'der' }), 'base64url').slice(0, 16);
}

/** A label of our own first, so that no signature made for another purpose can pass for a checkpoint. */
function toMessage(head: ChainHead): Buffer {
  return Buffer.from(`utcp-gatehouse log checkpoint 1\n${head.seq}\n${head.hash}\n`, 'latin1');
}

function readPem(config: SecurityLogConfig, readVariable: (name: string) => string | undefined): string | undefined {
  const { signing_key_file: file, signing_key_variable: variable } = config;
  if (variable !== undefined) {
    const pem = readVariable(variable);
    if (pem === undefined) throw refuseKey(`is not set: the variable ${variable} has no value`);
    return pem;
  }
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw refuseKey('cannot be read from its file');
  }
}

function toEd25519(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    // The parser's message may quote the key.
    return undefined;
  }
}

function refuseKey(what: string): LoadError {
  return LoadError.of({
    rule: 'security-log-signing-key',
    pointer: '/security_log',
    message: `The key that signs the security log ${what}.`,
    mend: 'Make one with `openssl genpkey -algorithm ed25519`, or leave the setting out.',
  });
}
