import { answerChecklist, describeChecklist, type GatehouseConfig, type LoadedConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';

/** Sections that a reload can't change; docs/lifecycle.md names them. */
export const fixedSections = ['server', 'security_log', 'state', 'mcp', 'tracing', 'example'] as const;

/** The sections of a configuration that are read at the start alone. */
export type FixedSections = Pick<GatehouseConfig, (typeof fixedSections)[number]>;

/** The sections that are read at the start alone, of one configuration. */
export function fixedOf({ server, security_log, state, mcp, tracing, example }: GatehouseConfig): FixedSections {
  return { server, security_log, state, mcp, tracing, example };
}

/** Refuses a reload that changes what is read at the start alone. Throws LoadError. */
export function refuseFixedChanges(old: LoadedConfig, next: LoadedConfig): void {
  const changed = fixedSections.filter((key) => JSON.stringify(old.config[key]) !== JSON.stringify(next.config[key]));
  if (changed.length === 0) return;
  throw new LoadError(
    changed.map((key) => ({
      rule: 'needs-restart',
      severity: 'error',
      file: next.file,
      pointer: `/${key}`,
      message: `${key} is read at the start and cannot change while the server runs.`,
      mend: 'Restart the server, or change it back.',
    })),
  );
}

/** Refuses a configuration of which an item of the provider checklist fails. Throws LoadError. */
export function refuseFailedChecklist(loaded: LoadedConfig): void {
  const failures = describeChecklist(answerChecklist(loaded), loaded);
  if (failures.length > 0) throw new LoadError(failures);
}
