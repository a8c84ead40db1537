export { canonicalizeJson, digestJson } from './canonical.js';
export { type PublicKey, readPublicKeys, readSigningKey, type SigningKey, toPublicKey } from './key.js';
export { manualSignatureHeader, signCanonicalManual, signManual, verifyManual } from './manual.js';
