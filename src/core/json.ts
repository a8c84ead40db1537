/** A JSON value as it stands on the wire. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** A JSON object whose members are not known yet. */
export interface JsonObject {
  readonly [member: string]: Json;
}

/** Says whether a parsed value is a JSON object, so neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Escapes one reference token of a JSON pointer (RFC 6901 section 3). */
export function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Joins tokens to a JSON pointer (RFC 6901); no token gives the empty pointer, the whole document. */
export function toPointer(...tokens: readonly (string | number)[]): string {
  return tokens.map((token) => `/${escapePointer(String(token))}`).join('');
}
