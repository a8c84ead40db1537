import type { AuthoredManual } from '../core/index.js';
import { type Change, diffManuals } from '../manual/index.js';
import type { McpChange, McpReview } from '../protocols/index.js';

type Definition = Extract<McpChange, { readonly kind: 'changed' }>['current'];

/** What the changes of MCP tools come to for a caller, in the words of `diff`; tools are named with their manual. */
export function diffReviews(reviews: readonly McpReview[]): readonly Change[] {
  return reviews.flatMap(({ manual, changes }) =>
    changes.flatMap((change) =>
      diffDefinitions(change).map((found) => ({ ...found, tool: `${manual}.${change.tool}` })),
    ),
  );
}

function diffDefinitions(change: McpChange): readonly Change[] {
  const before = change.kind === 'new' ? undefined : change.approved;
  const after = change.kind === 'gone' ? undefined : change.current;
  const { changes } = diffManuals(toManual(before), toManual(after));
  return before && after ? [...changes, ...diffWords(before, after)] : changes;
}

function toManual(definition: Definition | undefined): AuthoredManual {
  const tools = definition
    ? [
        {
          name: definition.name,
          description: definition.description ?? '',
          inputs: definition.inputSchema,
          ...(definition.outputSchema && { outputs: definition.outputSchema }),
          tags: [],
          tool_call_template: { call_template_type: 'mcp' },
        },
      ]
    : [];
  return { utcp_version: '1.1.0', manual_version: '1.0.0', tools };
}

// UTCP has no place for them; a model reads them all the same.
function diffWords(before: Definition, after: Definition): readonly Change[] {
  return (['title', 'annotations'] as const).flatMap((part): readonly Change[] => {
    const words = { before: show(before[part]), after: show(after[part]) };
    if (words.before === words.after) return [];
    return [{ kind: 'description-changed', pointer: `/${part}`, step: 'patch', message: `the ${part} changed`, words }];
  });
}

function show(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}
