import type { Rule } from './rule.js';

/** What reading the document itself reports, for official clients reject a manual for most of it. */
type ReadingRule = Omit<Rule, 'check'>;

/** Rules whose findings come from the reader of manuals: `gatehouse serve` says the same when it loads one. */
export const readingRules: readonly ReadingRule[] = [
  {
    id: 'document-unreadable',
    severity: 'error',
    why: 'What cannot be read as JSON or YAML cannot be judged or served.',
    mend: 'Mend the syntax.',
  },
  {
    id: 'document-duplicate-member',
    severity: 'error',
    why: 'A reviewer reads the first of two members of one name and a program takes the last.',
    mend: 'Remove or rename one of the two.',
  },
  {
    id: 'manual-unknown-kind',
    severity: 'error',
    why: 'Only UTCP manuals and OpenAPI documents hold tools.',
    mend: 'A UTCP manual has tools; an OpenAPI document has openapi or swagger, and paths.',
  },
  {
    id: 'manual-shape',
    severity: 'error',
    why: 'Official clients reject a whole manual for one member of the wrong kind.',
    mend: 'See the UTCP manual format.',
  },
  {
    id: 'manual-unknown-key',
    severity: 'warning',
    why: 'Official clients reject a whole manual for one key that UTCP does not know.',
    mend: 'Remove it.',
  },
  {
    id: 'manual-null',
    severity: 'info',
    why: 'Official clients reject a whole manual for one null member.',
    mend: 'Leave the member out.',
  },
  {
    id: 'manual-version-missing',
    severity: 'info',
    why: 'Without utcp_version the TypeScript client fails and the Python client finds no tools.',
    mend: 'State utcp_version and manual_version.',
  },
  {
    id: 'manual-version-number',
    severity: 'info',
    why: 'YAML reads an unquoted 1.10 as the number 1.1.',
    mend: 'Quote the version.',
  },
  {
    id: 'manual-migrated',
    severity: 'info',
    why: 'UTCP 1.x clients do not read the names of 0.1.',
    mend: 'Use the names of UTCP 1.x.',
  },
  {
    id: 'manual-provider-type',
    severity: 'error',
    why: 'A 0.1 provider without a protocol here cannot be called.',
    mend: 'Use a provider type that UTCP 1.x carries.',
  },
  {
    id: 'manual-command-shell',
    severity: 'error',
    why: 'A command that only a shell understands would have to be handed to one.',
    mend: 'Write command (an absolute path) and args.',
  },
  {
    id: 'tool-name',
    severity: 'error',
    why: 'A name without letters and digits cannot be published.',
    mend: 'Use letters, digits and _.',
  },
  {
    id: 'tool-name-spelling',
    severity: 'info',
    why: 'Clients read every character but letters, digits and _ as _, each in its own way.',
    mend: 'Use letters, digits and _, not starting with a digit.',
  },
  {
    id: 'tool-name-collision',
    severity: 'error',
    why: 'Of two tools of one name a client keeps one, and nobody knows which.',
    mend: 'Rename one of the two.',
  },
  {
    id: 'tool-inputs-missing',
    severity: 'info',
    why: 'A tool that declares no inputs is taken to have none.',
    mend: 'Declare inputs, or write inputs: {} to take anything.',
  },
  {
    id: 'tool-setting-in-manual',
    severity: 'error',
    why: 'A setting that protects a tool protects nothing where it is not read.',
    mend: 'Move it to the configuration, under manuals[].tools.',
  },
];
