import { z } from 'zod';
import { LoadError, type PreparedCall } from '../core/index.js';
import { prepareFileCall } from './file-call.js';
import { fileFields, inertFields } from './file-template.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';
import { isJson, toResult } from './text-result.js';

const textTemplate = z
  .strictObject({
    ...inertFields,
    ...fileFields,
    call_template_type: z.literal('text'),
    file_path: z.string().min(1).optional(),
    content: z.string().optional(),
  })
  .refine(
    (template) => (template.file_path === undefined) !== (template.content === undefined),
    'Either file_path or content must be given, and not both',
  );

/**
 * `text`, in both shapes: the guide's, which reads a file (`file_path`, `allowed_paths`, …), and UTCP 1.1's, whose
 * `content` is the result as it stands. See docs/protocols/text.md.
 */
export function createTextProtocol(deps: ProtocolDependencies): Protocol<z.infer<typeof textTemplate>> {
  return {
    type: 'text',
    schema: textTemplate,
    prepare: ({ content, file_path = '', ...template }, binding) =>
      content === undefined
        ? prepareFileCall({ ...template, file_path }, binding, deps.report)
        : prepareInline(content, template.parse, binding),
    close: async () => undefined,
  };
}

// No placeholder is looked for: prose and markup are full of braces, and a variable has no business in a served text.
function prepareInline(content: string, parse: 'text' | 'json', binding: ToolBinding): PreparedCall {
  if (parse === 'json' && !isJson(content)) {
    throw LoadError.of({
      rule: 'content-not-json',
      file: binding.file,
      pointer: `${binding.pointer}/content`,
      message: 'parse says json, and the content is not JSON.',
      mend: 'Correct the content, or take parse out.',
    });
  }
  const result = toResult(content, parse);
  return { call: async () => result };
}
