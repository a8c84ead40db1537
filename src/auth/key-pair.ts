import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/**
 * A new private key, by way of its PEM text. A key that Node hands over as it was made can hang the process for ever: in
 * Node 20 writing it as a JWK holds its lock, and a garbage collection at that moment may free the job that made it,
 * which waits for the same lock. What is read from a text was made by no job.
 */
export function generatePrivateKey(type: 'ec' | 'ed25519'): KeyObject {
  return createPrivateKey(type === 'ec' ? generateEc() : generateEd25519());
}

function generateEc(): string {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

function generateEd25519(): string {
  const { privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}
