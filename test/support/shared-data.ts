import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const file = 'data/README.md';

/** The folder of real documents beside the checkout, or what GATEHOUSE_SHARED_DATA names; undefined when there is none. */
export const sharedData = findSharedData();

/** Why a test is skipped where the documents are absent. */
export const missingSharedData = 'needs the documents of shared/data (set GATEHOUSE_SHARED_DATA)';

/** A document of shared/data. Throws where the folder is absent, so that CI fails instead of skipping. */
export function sharedDocument(name: string): string {
  if (sharedData === undefined) throw new Error(missingSharedData);
  return join(sharedData, name);
}

/** Whether tests on these documents are skipped: only where the folder is absent and this is not CI. */
export const skipSharedData = sharedData === undefined && process.env.CI !== 'true';

function findSharedData(): string | undefined {
  const named = process.env.GATEHOUSE_SHARED_DATA;
  if (named !== undefined) return existsSync(named) ? named : undefined;
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'shared', file))) return join(folder, 'shared/data');
  }
  return undefined;
}
