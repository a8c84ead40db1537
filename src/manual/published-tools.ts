import type { Json, JsonObject, Tool } from '../core/index.js';
import { publishedTemplates } from './form.js';
import { PackedTexts } from './packed-texts.js';
import { normalizeSchema } from './schema.js';

/** Stands where a caller's auth goes in: a character that no JSON text holds as it is (RFC 8259 section 7). */
const authHole = '\0';

/** The tools of a catalog as they are served, made all at once, ahead of the first view. */
export class PublishedTools {
  readonly #texts: PackedTexts;

  /** `tools` are a whole catalog, each at the place of its index. */
  constructor(tools: readonly Tool[], baseUrl: string) {
    this.#texts = new PackedTexts(tools.length, (index) => {
      const tool = tools[index];
      return tool ? writeTool(tool, baseUrl) : '';
    });
  }

  /** A tool's JSON with this auth (JSON too); several objects with commas between where it has several forms. */
  textOf(tool: Tool, auth: string): string {
    return this.#texts.read(tool.index).split(authHole).join(auth);
  }

  /** The same of many, commas between, as bytes to be joined: megabytes are copied once, and never read as text. */
  piecesOf(tools: readonly Tool[], auth: string): Buffer[] {
    const authBytes = Buffer.from(auth);
    const pieces: Buffer[] = [];
    for (const tool of tools) {
      if (pieces.length > 0) pieces.push(comma);
      pushFilled(pieces, this.#texts.bytes(tool.index), authBytes);
    }
    return pieces;
  }
}

const comma = Buffer.from(',');

function pushFilled(pieces: Buffer[], text: Buffer, auth: Buffer): void {
  let start = 0;
  for (let hole = text.indexOf(authHole); hole >= 0; hole = text.indexOf(authHole, start)) {
    pieces.push(text.subarray(start, hole), auth);
    start = hole + authHole.length;
  }
  pieces.push(text.subarray(start));
}

/** A value as JSON. Half a surrogate pair is JSON, but no Unicode: Python cannot print it, and RFC 8785 has no form of it. */
export function stringify(value: Json): string {
  const text = JSON.stringify(value);
  return text.includes('\\ud') ? text.replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, '$1\\ufffd') : text;
}

function writeTool(tool: Tool, baseUrl: string): string {
  if (tool.expose === 'direct') return stringify(describeTool(tool, tool.name, tool.inputs, tool.template));
  const texts = publishedTemplates(tool, baseUrl).map(({ name, inputs, template }) =>
    stringify(describeTool(tool, name, inputs, template)),
  );
  // A tool ends in its template, so the text ends in `}}`: cut there, the auth goes in as the template's last member.
  return texts.map((text) => `${text.slice(0, -2)},"auth":${authHole}}}`).join(',');
}

function describeTool(tool: Tool, name: string, inputs: Json, template: JsonObject): JsonObject {
  return {
    name,
    description: tool.description,
    // One boolean schema or null in one tool, and the official clients refuse the whole manual.
    inputs: normalizeSchema(inputs),
    ...(tool.outputs && { outputs: normalizeSchema(tool.outputs) }),
    ...(tool.tags.length > 0 && { tags: tool.tags }),
    ...(tool.average_response_size !== undefined && { average_response_size: tool.average_response_size }),
    tool_call_template: template,
  };
}
