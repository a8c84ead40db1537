import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { eventually } from './processes.js';

/** What this process holds open: file descriptors (sockets included), and active timers and handles by kind. */
export interface OpenResources {
  readonly descriptors: number;
  readonly active: Readonly<Record<string, number>>;
}

/** Counts what this process holds open. The counting itself holds one descriptor, each time alike. */
export function countResources(): OpenResources {
  const active: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) active[kind] = (active[kind] ?? 0) + 1;
  return { descriptors: readdirSync('/proc/self/fd').length, active };
}

/** Waits until nothing is open that was not open before; fails with what is left. */
export async function expectNothingLeft(before: OpenResources): Promise<void> {
  const left = () => {
    const now = countResources();
    const kinds = ['Timeout', 'TCPSocketWrap', 'TLSWrap', 'TCPServerWrap', 'PipeWrap', 'ProcessWrap', 'Immediate'];
    const more = kinds.filter((kind) => (now.active[kind] ?? 0) > (before.active[kind] ?? 0));
    return now.descriptors > before.descriptors ? [...more, 'file descriptors'] : more;
  };
  // Not by `expect.poll`: its own timer would count.
  expect(await eventually(left, (kinds) => kinds.length === 0, 5000)).toEqual([]);
}
