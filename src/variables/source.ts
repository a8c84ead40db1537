import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { LoadError } from '../core/index.js';

/** Looks variables up by name; what a template's `${NAME}` is replaced from. */
export interface VariableSource {
  /** The value. Throws LoadError that names the variable, never its value, when it is missing or not allowed. */
  load(name: string): string;
  /** Whether `load` would find it: used to refuse a name that is both an input and a variable. */
  has(name: string): boolean;
  /** Whether it may be a variable, set or not: a secret that somebody forgot to set must not become an argument. */
  allows(name: string): boolean;
}

export interface VariableSettings {
  readonly allowed_prefixes: readonly string[];
  readonly dotenv_file?: string | undefined;
  readonly secrets_dir?: string | undefined;
  /** Longest value in characters; a longer one is refused. */
  readonly max_length?: number;
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const defaultMaxLength = 10_000;

/**
 * The guide's SecureVariableLoader: only names with an allowed prefix are ever looked up, so that a manual can't read
 * `${PATH}` or a neighbour's secret. Order: environment, secrets directory (one file a variable), dotenv file.
 */
export class SecureVariableLoader implements VariableSource {
  readonly #settings: VariableSettings;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #files: ReadonlyMap<string, string>;
  readonly #dotenv: Readonly<Record<string, string | undefined>>;

  /**
   * Reads the environment, the dotenv file and the secrets directory once: what is bound later gets what was there.
   * Throws LoadError when a configured file can't be read.
   */
  constructor(settings: VariableSettings, environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.#settings = settings;
    this.#environment = Object.fromEntries(Object.entries(environment).filter(([name]) => this.allows(name)));
    this.#files = settings.secrets_dir ? readSecrets(settings.secrets_dir, (name) => this.allows(name)) : new Map();
    this.#dotenv = settings.dotenv_file ? readDotenv(settings.dotenv_file) : {};
  }

  has(name: string): boolean {
    return this.allows(name) && this.#lookup(name) !== undefined;
  }

  load(name: string): string {
    if (!this.allows(name)) {
      throw unusable(
        name,
        'is not allowed',
        `Its name must start with one of ${this.#settings.allowed_prefixes.join(', ')} (variables.allowed_prefixes).`,
      );
    }
    const value = this.#lookup(name);
    if (value === undefined) {
      throw unusable(
        name,
        'is not set or is empty',
        'Set it in the environment, the dotenv file or the secrets directory.',
      );
    }
    const limit = this.#settings.max_length ?? defaultMaxLength;
    if (value.length > limit) {
      throw unusable(name, `is longer than ${limit} characters`, 'Shorten it or raise variables.max_length.');
    }
    return value;
  }

  allows(name: string): boolean {
    return variableName.test(name) && this.#settings.allowed_prefixes.some((prefix) => name.startsWith(prefix));
  }

  // An empty value is what a composed environment leaves for a secret that nobody set, so it counts as none.
  #lookup(name: string): string | undefined {
    return ownValue(this.#environment, name) || this.#files.get(name) || ownValue(this.#dotenv, name) || undefined;
  }
}

function ownValue(values: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

function unusable(name: string, problem: string, mend: string): LoadError {
  return LoadError.of({ rule: 'variable-unusable', pointer: '', message: `Variable ${name} ${problem}.`, mend });
}

function readSecrets(directory: string, allowed: (name: string) => boolean): ReadonlyMap<string, string> {
  try {
    const names = readdirSync(directory).filter(allowed);
    return new Map(names.map((name) => [name, readSecret(join(directory, name))]));
  } catch {
    throw LoadError.of({
      rule: 'secrets-unreadable',
      file: directory,
      pointer: '',
      message: 'The secrets directory or a file in it cannot be read as UTF-8 text.',
      mend: 'Mount it readable for this user, or take variables.secrets_dir out.',
    });
  }
}

// A secrets file usually ends in one newline that its editor wrote; it is no part of the secret.
function readSecret(file: string): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)).replace(/\r?\n$/, '');
}

function readDotenv(file: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch {
    throw LoadError.of({
      rule: 'dotenv-unreadable',
      file,
      pointer: '',
      message: 'The dotenv file cannot be read.',
      mend: 'Create it or take variables.dotenv_file out.',
    });
  }
}
