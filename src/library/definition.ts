import { z } from 'zod';
import { type Finding, toPointer } from '../core/index.js';
import { toolSettingsSchema } from '../manual/index.js';

const name = z.string().regex(/^[A-Za-z_]\w*$/, 'must be letters, digits and _, not starting with a digit');
const { required_scopes, timeout_ms, log_arguments } = toolSettingsSchema.shape;
const definitionShape = z.object({
  manual: name,
  name,
  description: z.string().min(1, 'must say what the tool does'),
  tags: z.array(z.string()).optional(),
  read_only: z.boolean().optional(),
  required_scopes,
  timeout_ms,
  log_arguments,
});

/** What is wrong with a definition, its schemas apart. */
export function checkDefinition(definition: { readonly manual: string; readonly name: string }): readonly Finding[] {
  const parsed = definitionShape.safeParse(definition);
  if (parsed.success) return [];
  return parsed.error.issues.map(({ path, message }) => ({
    rule: 'define-tool',
    severity: 'error',
    file: 'defineTool',
    pointer: toPointer(definition.manual, definition.name, ...path.map(String)),
    message: `${path.join('.')} ${message}.`,
    mend: 'See docs/library.md.',
  }));
}
