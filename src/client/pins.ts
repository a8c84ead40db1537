import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { codeOf, isJsonObject, type JsonObject } from '../core/index.js';
import { ToolError } from './errors.js';

/** What was accepted of one provider. */
export interface ProviderPins {
  /** The public key (JWK) that its manuals are signed with; undefined while it signs none. */
  readonly key: JsonObject | undefined;
  /** Each tool's digest, by name. */
  readonly tools: ReadonlyMap<string, string>;
}

/** Keeps what was accepted, by the provider's manual URL. */
export interface PinStore {
  read(provider: string): ProviderPins | undefined;
  write(provider: string, pins: ProviderPins): void;
}

/**
 * Pins in a JSON file, or for the life of the process without one. A file that cannot be read or understood throws
 * ToolError `pin_file_unusable`: to take it for empty would accept whatever comes next.
 */
export function createPinStore(file: string | undefined): PinStore {
  return file === undefined ? new MemoryPins() : new FilePins(file);
}

class MemoryPins implements PinStore {
  readonly #providers = new Map<string, ProviderPins>();

  read(provider: string): ProviderPins | undefined {
    return this.#providers.get(provider);
  }

  write(provider: string, pins: ProviderPins): void {
    this.#providers.set(provider, pins);
  }
}

const fileVersion = 1;

class FilePins implements PinStore {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  read(provider: string): ProviderPins | undefined {
    return this.#load().get(provider);
  }

  // Read again just before: another process may have pinned another provider meanwhile.
  write(provider: string, pins: ProviderPins): void {
    const all = new Map(this.#load()).set(provider, pins);
    const providers = [...all].map(([name, { key, tools }]) => [
      name,
      { ...(key && { key }), tools: Object.fromEntries(tools) },
    ]);
    const document = { version: fileVersion, providers: Object.fromEntries(providers) };
    replaceFile(this.#file, `${JSON.stringify(document, null, 2)}\n`);
  }

  #load(): ReadonlyMap<string, ProviderPins> {
    const text = readIfPresent(this.#file);
    return text === undefined ? new Map() : parsePins(text, this.#file);
  }
}

function parsePins(text: string, file: string): ReadonlyMap<string, ProviderPins> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw unusable(file, error);
  }
  if (!isJsonObject(document) || document.version !== fileVersion || !isJsonObject(document.providers)) {
    throw unusable(file);
  }
  return new Map(
    Object.entries(document.providers).map(([provider, pins]) => {
      if (!isJsonObject(pins) || !isJsonObject(pins.tools)) throw unusable(file);
      const { key, tools } = pins;
      if (key !== undefined && !isJsonObject(key)) throw unusable(file);
      const digests = Object.entries(tools).map(([name, digest]): [string, string] => {
        if (typeof digest !== 'string') throw unusable(file);
        return [name, digest];
      });
      return [provider, { key, tools: new Map(digests) }];
    }),
  );
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unusable(file, error);
  }
}

// A reader sees the old file or the new one, never half of it; after a crash too, since it is on disk before the rename.
function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unusable(file, error);
  }
}

function unusable(file: string, cause?: unknown): ToolError {
  return new ToolError(`Pin file unusable: ${file} cannot be read, understood or written`, {
    code: 'pin_file_unusable',
    cause,
  });
}
