import { type LoadedConfig, loadConfig } from '../config/index.js';
import { type Bookshop, startBookshop } from '../example/bookshop.js';
import type { Io } from './command.js';
import { applyEnvironment, exampleVariables, withExampleKeys } from './configuration.js';

/** The bundled example: its upstream, once it runs, and the API keys that were made for its callers. */
export class Example {
  shop: Pick<Bookshop, 'url' | 'key' | 'close'> | undefined;
  readonly keys: Map<string, string>;

  constructor(keys: Iterable<readonly [string, string]> = []) {
    this.keys = new Map(keys);
  }

  /** The example that another process started, from what `share` gave. */
  static join({ url, key, keys }: Readonly<Record<string, string>>): Example {
    const example = new Example(Object.entries<string>(JSON.parse(keys ?? '{}')));
    if (url !== undefined && key !== undefined) example.shop = { url, key, close: async () => undefined };
    return example;
  }

  share(): Readonly<Record<string, string>> {
    const keys = JSON.stringify(Object.fromEntries(this.keys));
    return this.shop ? { url: this.shop.url, key: this.shop.key, keys } : { keys };
  }
}

/** Loads a configuration with the environment's overrides, and starts the example where it asks for it. */
export function loadForServing(file: string, io: Io, example: Example): Promise<LoadedConfig> {
  return loadConfig(file, {
    async prepare(parsed) {
      const prepared = { config: applyEnvironment(parsed, io.environment), environment: io.environment };
      if (parsed.example === undefined) return prepared;
      example.shop ??= await startBookshop();
      const keyed = withExampleKeys(prepared, example.keys);
      return { ...keyed, environment: { ...io.environment, ...exampleVariables(example.shop.url, example.shop.key) } };
    },
  });
}

/** Prints lines that a newcomer can paste. */
export function printExample(io: Io, url: string, keys: ReadonlyMap<string, string>): void {
  const [reader = '', editor = ''] = [...keys.values()];
  const json = '-H "Content-Type: application/json"';
  const bearer = (key: string) => `-H "Authorization: Bearer ${key}"`;
  io.out(
    [
      '',
      `The example bookshop is served at ${url}. Two callers see different tools; paste a line:`,
      '',
      '# what the reader sees: two tools',
      `curl ${bearer(reader)} ${url}/utcp`,
      '# what the editor sees: four',
      `curl ${bearer(editor)} ${url}/utcp`,
      '# the reader reads',
      `curl ${bearer(reader)} "${url}/tools/books/list_books?max_price=100"`,
      '# the editor writes',
      `curl ${bearer(editor)} ${json} -d '{"book":{"title":"Refactoring","author":"Martin Fowler","price":50}}' ${url}/tools/books/create_book`,
      '# the reader may not: 404, exactly as for a tool that does not exist',
      `curl ${bearer(reader)} ${json} -d '{"id":"1"}' ${url}/tools/books/delete_book`,
      '',
    ].join('\n'),
  );
}
