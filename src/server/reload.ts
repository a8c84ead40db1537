import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { defaultKeysFile, type LoadedConfig } from '../config/index.js';
import { describeFinding, LoadError } from '../core/index.js';
import type { EventSink } from '../events/index.js';

export interface ReloaderOptions {
  /** Reads the configuration anew, with the overrides that the server was started with. */
  readonly load: () => Promise<LoadedConfig>;
  /** Puts a loaded configuration in force, whole; throws LoadError and changes nothing when it can't. */
  readonly apply: (loaded: LoadedConfig) => Promise<void>;
  readonly sink: EventSink;
  readonly report: (line: string) => void;
}

/**
 * Reloads the configuration, one at a time: on SIGHUP, and when a file that it came from changes. What can't be put in
 * force is refused with a `config.rejected` event, and the old configuration goes on.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  #files: readonly string[];
  #running: Promise<boolean> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stamps = '';

  constructor(loaded: LoadedConfig, options: ReloaderOptions) {
    this.#files = filesOf(loaded);
    this.#options = options;
  }

  /** Reloads now, or once more after the reload that is running. Says whether the new configuration is in force. */
  async reload(): Promise<boolean> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#reloadAll();
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Looks every `interval_ms` whether a file changed. Polling sees the symlink swap of a mounted volume as well. */
  async watch(interval_ms: number): Promise<void> {
    this.#stamps = await this.#readStamps();
    this.#timer = setInterval(() => void this.#look(), interval_ms);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const stamps = await this.#readStamps();
    if (stamps === this.#stamps) return;
    this.#stamps = stamps;
    await this.reload();
  }

  async #readStamps(): Promise<string> {
    const stamps = this.#files.map(async (file) => {
      try {
        const { mtimeMs, size, ino } = await stat(file);
        return `${file} ${mtimeMs} ${size} ${ino}`;
      } catch {
        // A file that is away for a moment (an editor's rename) is a change like any other.
        return `${file} away`;
      }
    });
    return (await Promise.all(stamps)).join('\n');
  }

  async #reloadAll(): Promise<boolean> {
    let applied: boolean;
    do {
      this.#again = false;
      applied = await this.#reloadOnce();
    } while (this.#again);
    return applied;
  }

  async #reloadOnce(): Promise<boolean> {
    try {
      const loaded = await this.#options.load();
      await this.#options.apply(loaded);
      this.#files = filesOf(loaded);
      return true;
    } catch (error) {
      const problems = error instanceof LoadError ? error.findings.map(describeFinding) : [String(error)];
      this.#options.sink.emit({
        event: 'config.rejected',
        outcome: 'failure',
        reason: error instanceof LoadError ? (error.findings[0]?.rule ?? 'config_invalid') : 'internal',
        problems: problems.slice(0, 20),
      });
      this.#options.report(`The new configuration is refused, the old one goes on:\n${problems.join('\n')}`);
      return false;
    }
  }
}

/** What a configuration was read from; a change of any of them asks for a reload. */
function filesOf(loaded: LoadedConfig): readonly string[] {
  const { variables, signing } = loaded.config;
  const sources = loaded.config.manuals.map(({ source }) => resolve(loaded.base_dir, source));
  const optional = [variables.dotenv_file, variables.secrets_dir, signing.key_file];
  return [loaded.file, defaultKeysFile(loaded.file), ...sources, ...optional].filter((file) => file !== undefined);
}
