import MiniSearch from 'minisearch';
import { isJsonObject, type Json, type Tool } from '../../core/index.js';
import { toQueryTerms, toTerms } from './terms.js';
import { Vocabulary } from './vocabulary.js';

/** Weights of where a word stands; a name says more of a tool than a sentence does. */
const boost = { name: 4, tags: 2, description: 1, inputs: 0.5 } as const;
const fields = Object.keys(boost);

/** Tools that are put into an index at a time, so that other requests are answered in between. */
const chunkSize = 100;

interface IndexedTool {
  /** Position among the index's own tools. */
  readonly id: number;
  readonly terms: Readonly<Record<string, readonly string[]>>;
}

/** A full-text index of some tools, and of nothing else: its ranking knows of no other tool. */
export class ToolIndex {
  readonly #tools: readonly Tool[];
  readonly #search: MiniSearch<IndexedTool>;
  readonly #vocabulary: Vocabulary;

  private constructor(tools: readonly Tool[], search: MiniSearch<IndexedTool>, vocabulary: Vocabulary) {
    this.#tools = tools;
    this.#search = search;
    this.#vocabulary = vocabulary;
  }

  /** Indexes tools, a few at a time. */
  static async build(tools: readonly Tool[]): Promise<ToolIndex> {
    const vocabulary = new Vocabulary();
    const search = new MiniSearch<IndexedTool>({
      fields,
      extractField: (tool, field) => (field === 'id' ? String(tool.id) : (tool.terms[field]?.join(' ') ?? '')),
      // The words are apart and plain by now.
      tokenize: (text) => text.split(' '),
      processTerm: (term) => term,
    });
    for (let start = 0; start < tools.length; start += chunkSize) {
      const chunk = tools.slice(start, start + chunkSize).map((tool, place) => describeTool(tool, start + place));
      for (const { terms } of chunk) vocabulary.add(new Set(Object.values(terms).flat()));
      search.addAll(chunk);
      await new Promise<void>((resume) => setImmediate(resume));
    }
    return new ToolIndex(tools, search, vocabulary);
  }

  /** The tools that fit, best first; equals stand in the catalog's order. */
  find(text: string, admits: (tool: Tool) => boolean): readonly Tool[] {
    const weights = this.#vocabulary.weigh(toQueryTerms(text));
    if (weights.size === 0) return [];
    const words = [...weights.keys()].join(' ');
    return this.#search
      .search(words, { boost, boostTerm: (term) => weights.get(term) ?? 1 })
      .sort((one, other) => other.score - one.score || one.id - other.id)
      .flatMap(({ id }) => this.#tools[Number(id)] ?? [])
      .filter(admits);
  }
}

/** Characters of a tool that are indexed, roughly; what an index holds grows with them. */
export function measureTool(tool: Tool): number {
  return tool.name.length + tool.description.length + tool.tags.join(' ').length + describeInputs(tool).length;
}

function describeTool(tool: Tool, place: number): IndexedTool {
  const { name, tags, description } = tool;
  return {
    id: place,
    terms: {
      name: toTerms(name),
      tags: toTerms(tags.join(' ')),
      description: toTerms(description),
      inputs: toTerms(describeInputs(tool)),
    },
  };
}

function describeInputs({ inputs }: Tool): string {
  const properties = Object.entries(isJsonObject(inputs.properties) ? inputs.properties : {});
  return properties.map(([name, schema]) => `${name} ${describe(schema)}`).join(' ');
}

function describe(schema: Json): string {
  return isJsonObject(schema) && typeof schema.description === 'string' ? schema.description : '';
}
