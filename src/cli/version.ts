import { readFileSync } from 'node:fs';
import { isJsonObject } from '../core/index.js';

/** The package's version, as its manifest states it. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return isJsonObject(manifest) ? String(manifest.version) : 'unknown';
}
