import type { Ajv } from 'ajv';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { compilePattern } from './pattern.js';

/**
 * Teaches an Ajv the formats of JSON Schema and OpenAPI. Those of ajv-formats whose regular expressions can backtrack
 * are replaced: no format takes more than linear time. A format that nobody knows is ignored, as JSON Schema has it.
 */
export function addFormats(ajv: Ajv): void {
  for (const [name, format] of Object.entries(fullFormats)) ajv.addFormat(name, format);
  ajv.addFormat('url', isWebAddress);
  ajv.addFormat('regex', isPattern);
  ajv.addFormat('byte', isBase64);
}

const webProtocols: ReadonlySet<string> = new Set(['http:', 'https:', 'ftp:']);

function isWebAddress(text: string): boolean {
  return !/\s/.test(text) && URL.canParse(text) && webProtocols.has(new URL(text).protocol);
}

function isPattern(text: string): boolean {
  try {
    compilePattern(text);
    return true;
  } catch {
    // compilePattern throws for nothing else than a pattern that it does not understand.
    return false;
  }
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
