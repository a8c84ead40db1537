import { type Arguments, isJsonObject, type Json, LoadError } from '../core/index.js';
import { inputNames, refuseArgument } from '../variables/index.js';
import { appendPairs } from './http-query.js';
import type { RequestTemplate } from './http-template.js';
import type { ToolBinding } from './protocol.js';

/** Writes the body argument as text in the template's content type. */
type BodyEncoder = (name: string, value: Json) => string;

/** The media type of a Content-Type value, in lower case and without parameters. */
export function mediaType(contentType: string): string {
  if (contentType === 'application/json') return contentType;
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** Whether a media type is JSON: `application/json` or a `+json` suffix (RFC 6839). */
export function isJsonType(type: string): boolean {
  return type === 'application/json' || type === 'text/json' || type.endsWith('+json');
}

/** The encoder for a content type; throws LoadError for one that has no encoder. */
function chooseBodyEncoder(
  contentType: string,
  place: { readonly file: string; readonly pointer: string },
): BodyEncoder {
  const type = mediaType(contentType);
  if (isJsonType(type)) return encodeJson;
  if (type === 'application/x-www-form-urlencoded') return encodeForm;
  if (!type.startsWith('multipart/')) return encodeText;
  throw LoadError.of({
    rule: 'content-type-unsupported',
    ...place,
    message: `A body cannot be sent as ${type}.`,
    mend: 'Use application/json, application/x-www-form-urlencoded or a text type.',
  });
}

function encodeJson(_name: string, value: Json): string {
  return JSON.stringify(value);
}

function encodeText(_name: string, value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function encodeForm(name: string, value: Json): string {
  if (typeof value === 'string') return value;
  if (!isJsonObject(value)) throw refuseArgument(name, 'must be an object to be sent as a form');
  let form = '';
  for (const [field, item] of Object.entries(value)) form = appendPairs(form, field, item);
  return form;
}

/** The argument that is the body, and how it is written. */
export class BodyPlan {
  constructor(
    readonly field: string,
    readonly contentType: string | undefined,
    readonly encode: BodyEncoder,
  ) {}

  /** The body, whose Content-Type joins `headers`; null when the argument is absent. */
  render(args: Arguments, headers: string[]): string | null {
    const value = Object.hasOwn(args, this.field) ? args[this.field] : undefined;
    if (value === undefined) return null;
    if (this.contentType !== undefined) headers.push('content-type', this.contentType);
    return this.encode(this.field, value);
  }
}

/** The body of a template, where it has one; throws LoadError for a body that can't be sent. */
export function planBody(template: RequestTemplate, binding: ToolBinding): BodyPlan | undefined {
  const field = template.body_field;
  if (!field) return undefined;
  const place = { file: binding.file, pointer: `${binding.pointer}/body_field` };
  if (template.http_method === 'GET') {
    if (!inputNames(binding.inputs).has(field)) return undefined;
    throw LoadError.of({
      rule: 'body-on-get',
      ...place,
      message: `${field} would be the body of a GET, which has none (RFC 9110 section 9.3.1).`,
      mend: 'Use POST, or name a body_field that is no input.',
    });
  }
  const authored = Object.entries(template.headers ?? {}).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const encode = chooseBodyEncoder(authored ?? template.content_type, place);
  return new BodyPlan(field, authored === undefined ? template.content_type : undefined, encode);
}
