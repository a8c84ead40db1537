import { isJsonObject, type JsonObject, toPointer } from '../../core/index.js';
import type { References } from './reference.js';
import { objectOf, textOf } from './value.js';

/** Which OpenAPI line a document is of. */
export type Dialect = '2.0' | '3.0' | '3.1';

/** The methods that an OpenAPI path item may have. */
const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace', 'query'] as const;

/** One operation of a document, not yet mapped. */
export interface Operation {
  readonly path: string;
  /** In lower case, as the document has it. */
  readonly method: (typeof methods)[number];
  /** JSON pointer of the operation. */
  readonly pointer: string;
  readonly id: string | undefined;
  /** The path item, its reference followed. */
  readonly item: JsonObject;
  readonly value: JsonObject;
}

/** The OpenAPI line of a document, or undefined when it is none. */
export function dialectOf(root: JsonObject): Dialect | undefined {
  if (String(root.swagger ?? '').startsWith('2')) return '2.0';
  const version = textOf(root.openapi) ?? '';
  if (version.startsWith('3.0')) return '3.0';
  return version.startsWith('3.') ? '3.1' : undefined;
}

/** All operations in the order of the document. */
export function listOperations(references: References): readonly Operation[] {
  const operations: Operation[] = [];
  for (const [path, entry] of Object.entries(objectOf(references.root.paths))) {
    const item = references.follow(entry);
    if (!item || path.startsWith('x-')) continue;
    for (const method of methods) {
      const value = item[method];
      if (!isJsonObject(value)) continue;
      const pointer = toPointer('paths', path, method);
      operations.push({ path, method, pointer, id: textOf(value.operationId), item, value });
    }
  }
  return operations;
}
