import { z } from 'zod';

const aliases = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-16le': 'utf-16le',
  utf16le: 'utf-16le',
  'iso-8859-1': 'latin1',
  latin1: 'latin1',
  'us-ascii': 'ascii',
  ascii: 'ascii',
} as const;

/** The encodings that a text may be in. */
export type TextEncodingName = (typeof aliases)[keyof typeof aliases];

const names = Object.keys(aliases);

/** A template's `encoding`, any letter case and the common aliases. */
export const textEncodingSchema = z
  .string()
  .toLowerCase()
  .refine((name) => Object.hasOwn(aliases, name), `Expected one of ${names.join(', ')}`)
  .transform((name): TextEncodingName => Object.entries(aliases).find(([alias]) => alias === name)?.[1] ?? 'utf-8');

const utf8 = new TextDecoder('utf-8', { fatal: true });
const utf16 = new TextDecoder('utf-16le', { fatal: true });

/**
 * Decodes strictly: undefined for bytes that are not of the encoding, never a replacement character. A byte order mark
 * is taken off.
 */
export const textDecoders: Readonly<Record<TextEncodingName, (bytes: Buffer) => string | undefined>> = {
  'utf-8': (bytes) => decodeStrictly(utf8, bytes),
  'utf-16le': (bytes) => decodeStrictly(utf16, bytes),
  // Every byte is a character of ISO 8859-1; TextDecoder would read windows-1252 instead (WHATWG Encoding).
  latin1: (bytes) => bytes.toString('latin1'),
  ascii: (bytes) => (bytes.some((byte) => byte > 0x7f) ? undefined : bytes.toString('latin1')),
};

function decodeStrictly(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    // Fatal decoders throw for malformed bytes; the caller answers `upstream_invalid`.
    return undefined;
  }
}
