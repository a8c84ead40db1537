import { dirname, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { $RefParser, type $Refs } from '@apidevtools/json-schema-ref-parser';
import { isJsonObject, type Json, type JsonObject, LoadError } from '../../core/index.js';
import { parseDocument, type SourceDocument } from '../document.js';

/** Reads a file that a document refers to, by its real path; refuses with LoadError or any other error. */
export interface ReferenceIo {
  /** The path after symbolic links. */
  realPath(path: string): Promise<string>;
  readText(path: string): Promise<string>;
}

/** Follows the references of one document. Nothing is resolved ahead: an operation pays for what it uses. */
export class References {
  readonly #targets = new Map<string, JsonObject | undefined>();
  readonly #sizes = new Map<string, number>();
  readonly #refs: $Refs;

  private constructor(
    readonly root: JsonObject,
    /** The texts of the other files that were brought in. */
    readonly attached: readonly string[],
    refs: $Refs,
  ) {
    this.#refs = refs;
  }

  /**
   * Opens a document. References to other files are brought into it first, and only from files in the document's own
   * folder; a URL is never fetched. Throws LoadError.
   */
  static async open(document: SourceDocument, path: string | undefined, io: ReferenceIo): Promise<References> {
    const source = isJsonObject(document.value) ? document.value : {};
    const bundled = isSelfContained(source) ? { root: source, attached: [] } : await bundle(source, document, path, io);
    const refs = await $RefParser.resolve('openapi.json', bundled.root, { resolve: { external: false } });
    return new References(bundled.root, bundled.attached, refs);
  }

  /** The object that a reference leads to; undefined when there is none. */
  target(reference: string): JsonObject | undefined {
    if (this.#targets.has(reference)) return this.#targets.get(reference);
    const target = this.#find(reference);
    this.#targets.set(reference, target);
    return target;
  }

  /** The object itself, or what its `$ref` leads to with the members beside it on top (OpenAPI 3.1 section 4.8.23). */
  follow(value: Json | undefined): JsonObject | undefined {
    if (!isJsonObject(value)) return undefined;
    if (typeof value.$ref !== 'string') return value;
    const { $ref, ...beside } = value;
    const target = this.target($ref);
    return target && { ...target, ...beside };
  }

  /** How long the target is as JSON, in UTF-16 units. */
  sizeOf(reference: string): number {
    const known = this.#sizes.get(reference) ?? JSON.stringify(this.target(reference) ?? {}).length;
    this.#sizes.set(reference, known);
    return known;
  }

  #find(reference: string): JsonObject | undefined {
    try {
      const target: unknown = this.#refs.get(reference);
      // What still is a reference leads only to itself.
      return isJsonObject(target) && typeof target.$ref !== 'string' ? target : undefined;
    } catch {
      // A pointer that leads nowhere; whoever asked reports it where it stands.
      return undefined;
    }
  }
}

function isSelfContained(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (!isJsonObject(value)) return value.every(isSelfContained);
  const reference = Object.hasOwn(value, '$ref') ? value.$ref : undefined;
  if (typeof reference === 'string' && !reference.startsWith('#')) return false;
  return Object.values(value).every(isSelfContained);
}

async function bundle(
  source: JsonObject,
  document: SourceDocument,
  path: string | undefined,
  io: ReferenceIo,
): Promise<{ readonly root: JsonObject; readonly attached: readonly string[] }> {
  if (path === undefined) throw refuse(document.file, 'refers to another document, which is never fetched.');
  const folder = new Folder(await io.realPath(dirname(path)), document.file, io);
  try {
    const bundled: unknown = await $RefParser.bundle(pathToFileURL(path).href, structuredClone(source), {
      resolve: {
        http: false,
        file: false,
        folder: { order: 1, canRead: true, read: ({ url }: { readonly url: string }) => folder.read(url) },
      },
      parse: {
        json: false,
        yaml: false,
        text: false,
        binary: false,
        bounded: {
          order: 1,
          canParse: true,
          parse: ({ data, url }: { readonly data: unknown; readonly url: string }) => folder.parse(String(data), url),
        },
      },
    });
    return { root: isJsonObject(bundled) ? bundled : {}, attached: folder.texts };
  } catch {
    // The library keeps only the text of what a reader throws.
    throw folder.problem ?? refuse(document.file, 'holds a reference that leads nowhere.');
  }
}

/** The one folder that a document may refer into. */
class Folder {
  readonly texts: string[] = [];
  /** The first refusal. */
  problem: LoadError | undefined;

  constructor(
    readonly path: string,
    readonly file: string,
    readonly io: ReferenceIo,
  ) {}

  async read(url: string): Promise<string> {
    const place = toPath(url);
    if (place === undefined) throw this.#refuse('refers to a URL, which is never fetched.');
    const name = relative(this.path, place);
    try {
      const path = await this.io.realPath(place);
      if (path.startsWith(this.path + sep)) return await this.io.readText(path);
    } catch {
      throw this.#refuse(`refers to ${name}, which cannot be read.`);
    }
    throw this.#refuse(`refers to ${name}, outside its own folder.`);
  }

  parse(text: string, url: string): Json {
    this.texts.push(text);
    try {
      return parseDocument(text, relative(this.path, toPath(url) ?? url)).value;
    } catch (error) {
      if (error instanceof LoadError) this.problem ??= error;
      throw error;
    }
  }

  #refuse(problem: string): LoadError {
    this.problem ??= refuse(this.file, problem);
    return this.problem;
  }
}

function toPath(url: string): string | undefined {
  if (!url.includes(':')) return url;
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : undefined;
  } catch {
    // A file URL with a host.
    return undefined;
  }
}

function refuse(file: string, problem: string): LoadError {
  return LoadError.of({
    rule: 'openapi-reference',
    file,
    pointer: '',
    message: `The document ${problem}`,
    mend: 'Put what it refers to into the document or beside it.',
  });
}
