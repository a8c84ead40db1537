import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** A configuration in a folder of its own, for servers that run as processes. */
export interface WrittenFolder {
  readonly folder: string;
  readonly config: string;
  readonly log: string;
  /** Writes the configuration anew. */
  write(config: object): void;
  /** The events in the security log so far. */
  events(): readonly { readonly event: string; readonly [member: string]: unknown }[];
  remove(): void;
}

/** Writes a configuration and its files. It logs to a file, chained, and listens on free ports. */
export function writeFolder(config: object, files: Readonly<Record<string, unknown>> = {}): WrittenFolder {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-written-'));
  const log = join(folder, 'security.log');
  const path = join(folder, 'gatehouse.yaml');
  const write = (next: object) => {
    const server = {
      port: 0,
      admin: { port: 0 },
      ...('server' in next && typeof next.server === 'object' && next.server),
    };
    const security_log = { file: log, hash_chain: true, flush_interval_ms: 10 };
    writeFileSync(path, stringify({ security_log, ...next, server }));
  };
  write(config);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), typeof content === 'string' ? content : stringify(content));
  }
  return {
    folder,
    config: path,
    log,
    write,
    events: () => {
      const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line));
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
