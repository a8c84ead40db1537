import { isUtf8 } from 'node:buffer';
import { GatehouseError } from '../core/index.js';
import { isJsonType, mediaType } from './http-body.js';

const nothing = Buffer.from('null');

/**
 * An answer as one JSON text. JSON passes through as it is (its Content-Type is believed, its bytes must be UTF-8),
 * text becomes a string, and what is neither becomes `{"content_type", "base64"}`. Nothing at all is null. Throws
 * GatehouseError `upstream_invalid` for a compressed answer, which nobody asked for, and for JSON that is not UTF-8.
 */
export function encodeResult(
  body: Buffer,
  headers: { readonly 'content-type'?: string | undefined; readonly 'content-encoding'?: string | undefined },
): Buffer {
  if (body.length === 0) return nothing;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw invalid('content_encoding');
  const contentType = headers['content-type'] ?? '';
  if (isJsonType(mediaType(contentType))) return checkJson(body);
  const text = decodeText(body, contentType);
  if (text !== undefined) return Buffer.from(JSON.stringify(text));
  const type = mediaType(contentType) || 'application/octet-stream';
  return Buffer.from(JSON.stringify({ content_type: type, base64: body.toString('base64') }));
}

// RFC 8259 section 8.1: JSON between systems is UTF-8, and a reader may skip a byte order mark that should not be there.
function checkJson(body: Buffer): Buffer {
  if (!isUtf8(body)) throw invalid('json_encoding');
  const marked = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  if (!marked) return body;
  return body.length === 3 ? nothing : body.subarray(3);
}

function decodeText(body: Buffer, contentType: string): string | undefined {
  if (isUtf8(body)) return body.toString('utf8');
  const charset = /;\s*charset="?([\w.:-]+)"?/i.exec(contentType)?.[1];
  if (!charset || !mediaType(contentType).startsWith('text/')) return undefined;
  try {
    return new TextDecoder(charset, { fatal: true }).decode(body);
  } catch {
    // An unknown charset, or bytes that it does not have: the bytes are handed on as they are.
    return undefined;
  }
}

function invalid(reason: string): GatehouseError {
  return new GatehouseError('upstream_invalid', { reason });
}
