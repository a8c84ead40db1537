import type { Json, JsonObject } from '../../core/index.js';

/** Where the arguments of a tool come from and go to, while an operation is mapped. */
export class InputPlan {
  readonly #properties = new Map<string, Json>();
  readonly #required = new Set<string>();
  readonly #reserved: ReadonlySet<string>;
  /** What stands in the URL in place of each `{parameter}`. */
  readonly path = new Map<string, string>();
  /** Query pairs that the URL spells out. */
  readonly query: string[] = [];
  readonly headers: Record<string, string> = {};
  readonly header_fields: string[] = [];
  body: { readonly field: string; readonly content_type: string } | undefined;

  /** `reserved`: names that UTCP reads in another way, such as the default `body_field`. */
  constructor(reserved: readonly string[] = []) {
    this.#reserved = new Set(reserved);
  }

  has(name: string): boolean {
    return this.#properties.has(name) || this.#reserved.has(name);
  }

  add(name: string, schema: Json, required: boolean): void {
    this.#properties.set(name, schema);
    if (required) this.#required.add(name);
  }

  /** A free name that can stand in `{…}`, as near to the wanted one as can be. */
  freeName(wanted: string, kind: string): string {
    const word = wanted.replace(/\W+/g, '_').replace(/^(?=\d)/, '_') || kind;
    if (!this.has(word)) return word;
    const apart = `${word}_${kind}`;
    for (let number = 2, name = apart; ; name = `${apart}_${number++}`) if (!this.has(name)) return name;
  }

  /** The body argument, named `body` unless a parameter has that name. */
  addBody(schema: Json, required: boolean, contentType: string): void {
    const field = this.#properties.has('body') ? this.freeName('request_body', 'json') : 'body';
    this.add(field, schema, required);
    this.body = { field, content_type: contentType };
  }

  /** The schema of all arguments, still in OpenAPI's terms. */
  toSchema(): JsonObject {
    return {
      type: 'object',
      properties: Object.fromEntries(this.#properties),
      ...(this.#required.size > 0 ? { required: [...this.#required] } : {}),
      additionalProperties: false,
    };
  }
}
