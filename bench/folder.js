import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of files for one run of the benchmark, taken away at its end. */
export class Folder {
  path = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));

  /** Writes a file, objects as JSON, and gives its path. */
  write(name, content) {
    const path = join(this.path, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  remove() {
    rmSync(this.path, { recursive: true, force: true });
  }
}

// Far above what a load sends in a minute; counted and kept like any other.
const rate = { per_minute: 1_000_000_000, per_hour: 1_000_000_000 };

/** A Gatehouse configuration with every control on; gives its path. */
export function writeConfig(folder, name, { manuals, roles = { reader: { discover: ['*'], call: ['*'] } }, callers }) {
  const entries = manuals.map((manual, index) => ({
    name: `shelf${index}`,
    source: folder.write(`${name}-${index}.json`, manual),
    allow_private_hosts: ['127.0.0.1'],
  }));
  return folder.write(`${name}.json`, {
    server: { port: 0, public_url: 'http://tools.example.test', admin: { port: 0 } },
    manuals: entries,
    policy: { roles },
    callers,
    limits: { per_caller: rate },
    security_log: { file: join(folder.path, `${name}.log`), max_file_bytes: 1_000_000_000 },
  });
}
