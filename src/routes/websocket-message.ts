import { GatehouseError, holdsInexactNumber, isJsonObject, type Json, type JsonObject } from '../core/index.js';
import { refuseInexactNumber } from '../pipeline/index.js';

/** A message of a caller, read: what it calls itself, and its arguments or why it has none. */
export interface CallMessage {
  /** What the answer carries back; undefined when the message named none. */
  readonly id: string | number | undefined;
  readonly args: JsonObject | GatehouseError;
  readonly bytes: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const maxIdLength = 200;

/** Reads `{"id"?, "arguments"?}`. Never throws: the error is told under the message's own id, where it has one. */
export function readCallMessage(data: Buffer, isBinary: boolean): CallMessage {
  return { ...readMembers(data, isBinary), bytes: data.length };
}

function readMembers(data: Buffer, isBinary: boolean): Omit<CallMessage, 'bytes'> {
  if (isBinary) return { id: undefined, args: malformed('A message is text, not binary.') };
  const { message, isExact } = parse(data);
  if (!isExact) return { id: undefined, args: refuseInexactNumber() };
  if (!isJsonObject(message)) return { id: undefined, args: malformed('A message is a JSON object.') };
  const { id, arguments: args = {}, ...unknown } = message;
  if (id !== undefined && !isMessageId(id)) {
    return { id: undefined, args: malformed(`id is a number, or a string of at most ${maxIdLength} characters.`) };
  }
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) return { id, args: malformed('A message has the members id and arguments alone.') };
  return { id, args: isJsonObject(args) ? args : malformed('arguments is an object.') };
}

/**
 * The answer to a message that went well. Throws GatehouseError `upstream_invalid` for a result that is no JSON text: an
 * upstream that only claims to send JSON could end the member and write an `id` of its own, the answer to another call.
 */
export function writeResult(id: CallMessage['id'], text: string): string {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new GatehouseError('upstream_invalid', { reason: 'not_json', cause });
  }
  return `{${writeId(id)}"result":${text}}`;
}

/** The answer to a message that did not; `problem` is the JSON text of a problem document. */
export function writeError(id: CallMessage['id'], problem: string): string {
  return `{${writeId(id)}"error":${problem}}`;
}

function writeId(id: CallMessage['id']): string {
  return id === undefined ? '' : `"id":${JSON.stringify(id)},`;
}

function parse(data: Buffer): { readonly message: Json | undefined; readonly isExact: boolean } {
  try {
    const text = decoder.decode(data);
    return { message: JSON.parse(text), isExact: !holdsInexactNumber(text) };
  } catch {
    // Not JSON, so no object.
    return { message: undefined, isExact: true };
  }
}

function isMessageId(id: Json): id is string | number {
  return typeof id === 'number' || (typeof id === 'string' && id.length <= maxIdLength);
}

function malformed(detail: string): GatehouseError {
  return new GatehouseError('malformed_body', { detail });
}
