import { z } from 'zod';
import { inertFields } from './file-template.js';

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'Expected the name of an environment variable');
const environment = z.record(variableName, z.string());
const absolutePath = z.string().startsWith('/', 'Expected an absolute path');
const unprivilegedId = z.int().min(1).max(4_294_967_294);

const commandStep = z.strictObject({
  command: z.string().min(1),
  append_to_final_output: z.boolean().nullish(),
});

const processLimits = z.strictObject({
  cpu_seconds: z.int().positive().optional(),
  memory_bytes: z.int().positive().optional(),
  address_space_bytes: z.int().positive().optional(),
  processes: z.int().positive().optional(),
  open_files: z.int().min(8).optional(),
  file_bytes: z.int().nonnegative().optional(),
  tmp_bytes: z.int().positive().optional(),
});

/** The template in both shapes: the guide's `command` and `args`, or UTCP 1.1's `commands`. */
export const cliTemplate = z
  .strictObject({
    ...inertFields,
    call_template_type: z.literal('cli'),
    command: absolutePath.optional(),
    args: z.array(z.string()).optional(),
    working_directory: z.string().min(1).optional(),
    environment: environment.optional(),
    commands: z.array(commandStep).min(1).max(20).optional(),
    env_vars: environment.nullish(),
    working_dir: z.string().min(1).nullish(),
    inherit_env_vars: z
      .array(z.string())
      .max(0, 'Nothing is inherited from the server (GHSA-5v57-8rxj-3p2r): name what the program needs in env_vars')
      .nullish(),
    /** Seconds; the guide's. */
    timeout: z.number().positive().max(600).optional(),
    allowed_exit_codes: z.array(z.int().min(0).max(255)).min(1).default([0]),
    max_output_bytes: z.int().positive().default(1_048_576),
    /** `text` (default): standard output as a JSON string. `json`: it holds JSON, and the result is its value. */
    output: z.enum(['text', 'json']).default('text'),
    limits: processLimits.default({}),
    run_as: z.strictObject({ uid: unprivilegedId, gid: unprivilegedId }).optional(),
    read_only_paths: z.array(absolutePath).default([]),
    writable_paths: z.array(absolutePath).default([]),
  })
  .refine(
    (template) => (template.command === undefined) !== (template.commands === undefined),
    'Either command or commands must be given, and not both',
  )
  .refine((template) => template.args === undefined || template.command !== undefined, {
    path: ['args'],
    message: 'args belong to command; a step of commands has its own',
  })
  .refine((template) => !template.environment || !template.env_vars, {
    path: ['env_vars'],
    message: 'environment and env_vars are two names of one thing: write one of them',
  })
  .refine((template) => !template.working_directory || !template.working_dir, {
    path: ['working_dir'],
    message: 'working_directory and working_dir are two names of one thing: write one of them',
  });

/** A parsed `cli` template. */
export type CliTemplate = z.infer<typeof cliTemplate>;
