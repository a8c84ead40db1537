import { z } from 'zod';
import { type TextEncodingName, textEncodingSchema } from './text-encoding.js';

const mebibyte = 1_048_576;

/** What every template that reads a file may say; the guide's fields and two of ours. */
export const fileFields = {
  /** Whole bytes. */
  max_size: z.int().positive().default(mebibyte),
  allowed_paths: z.array(z.string().min(1)).min(1).optional(),
  allowed_extensions: z
    .array(
      z
        .string()
        .regex(/^\.[^./\\]+$/, 'a dot and an extension, like .txt')
        .toLowerCase(),
    )
    .min(1)
    .optional(),
  encoding: textEncodingSchema.default('utf-8'),
  /** `text` (default): the result is a JSON string. `json`: the file holds JSON, and the result is its value. */
  parse: z.enum(['text', 'json']).default('text'),
};

/** What every UTCP call template may say that means nothing to a routed tool (UTCP 1.1, `CallTemplate`). */
export const inertFields = {
  name: z.string().optional(),
  auth: z.null().optional(),
  auth_tools: z.json().optional(),
  allowed_communication_protocols: z.array(z.string()).optional(),
};

/** The part of a template that says which file is read, and how. */
export interface FileTemplate {
  readonly file_path: string;
  readonly max_size: number;
  readonly allowed_paths?: readonly string[] | undefined;
  readonly allowed_extensions?: readonly string[] | undefined;
  readonly encoding: TextEncodingName;
  readonly parse: 'text' | 'json';
}
