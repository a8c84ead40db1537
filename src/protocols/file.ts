import { z } from 'zod';
import { prepareFileCall } from './file-call.js';
import { fileFields, inertFields } from './file-template.js';
import type { Protocol, ProtocolDependencies } from './protocol.js';

const fileTemplate = z.strictObject({
  ...inertFields,
  ...fileFields,
  call_template_type: z.literal('file'),
  file_path: z.string().min(1),
});

/** UTCP 1.1's `file`: the result is the content of a file, read anew for each call. See docs/protocols/file.md. */
export function createFileProtocol(deps: ProtocolDependencies): Protocol<z.infer<typeof fileTemplate>> {
  return {
    type: 'file',
    schema: fileTemplate,
    prepare: (template, binding) => prepareFileCall(template, binding, deps.report),
    close: async () => undefined,
  };
}
