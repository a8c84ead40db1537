import { z } from 'zod';
import { renderTable } from './table.js';

/** One key of the configuration, as the reference says it. */
export interface KeyEntry {
  /** `manuals[].tools.*.timeout_ms`: `[]` is each element of a list, `*` each name of a map. */
  readonly key: string;
  readonly value: string;
  readonly fallback: string;
  readonly description: string;
}

/** Every key of a schema. `defaults` is what the schema makes of nothing: what a section's own default says wins. */
export function listKeys(schema: z.ZodType, path: string, defaults: unknown): readonly KeyEntry[] {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) {
    return Object.entries<z.ZodType>(bare.shape).flatMap(([name, member]) =>
      listKeys(member, path ? `${path}.${name}` : name, memberOf(defaults, name)),
    );
  }
  if (bare instanceof z.ZodArray && unwrap(bare.element) instanceof z.ZodObject)
    return listKeys(typed(bare.element), `${path}[]`, undefined);
  if (bare instanceof z.ZodRecord && unwrap(bare.valueType) instanceof z.ZodObject)
    return listKeys(typed(bare.valueType), `${path}.*`, undefined);
  return [
    {
      key: path,
      value: describeValue(schema),
      fallback: describeDefault(schema, defaults),
      description: textOf(schema),
    },
  ];
}

/** A table of keys in Markdown, its columns aligned as Biome's and everyone's formatters do. */
export function renderKeys(entries: readonly KeyEntry[]): string {
  const rows = entries.map(({ key, value, fallback, description }) => [`\`${key}\``, value, fallback, description]);
  return renderTable([['key', 'value', 'default', 'what'], ...rows]);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function typed(schema: unknown): z.ZodType {
  if (schema instanceof z.ZodType) return schema;
  throw new Error('not a schema of zod');
}

// A description stands on whichever wrapper it was written behind.
function textOf(schema: z.ZodType): string {
  for (let inner: unknown = schema; inner instanceof z.ZodType; inner = peel(inner)) {
    if (inner.description) return inner.description;
  }
  return '';
}

function peel(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return schema.unwrap();
  return schema instanceof z.ZodPipe ? schema.in : undefined;
}

function unwrap(schema: unknown): unknown {
  const inner = schema instanceof z.ZodType ? peel(schema) : undefined;
  return inner === undefined ? schema : unwrap(inner);
}

function describeValue(schema: unknown): string {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodEnum) return bare.options.map((option) => `\`${option}\``).join(', ');
  if (bare instanceof z.ZodLiteral) return [...bare.values].map((value) => `\`${value}\``).join(', ');
  if (bare instanceof z.ZodArray) return `list of ${describeValue(bare.element)}`;
  if (bare instanceof z.ZodRecord) return `map of ${describeValue(bare.valueType)}`;
  if (bare instanceof z.ZodUnion) return bare.options.map(describeValue).join(' or ');
  if (bare instanceof z.ZodNumber) return bare.isInt ? 'integer' : 'number';
  if (bare instanceof z.ZodLazy) return 'any';
  return bare instanceof z.ZodType ? bare.type : 'any';
}

function describeDefault(schema: z.ZodType, defaults: unknown): string {
  if (defaults !== undefined) return `\`${JSON.stringify(defaults)}\``;
  const alone = schema.safeParse(undefined);
  if (!alone.success) return 'required';
  return alone.data === undefined ? '—' : `\`${JSON.stringify(alone.data)}\``;
}
