import { answerChecklist, describeChecklist, type LoadedConfig, loadConfig } from '../config/index.js';
import type { Finding } from '../core/index.js';
import { type Bookshop, startBookshop } from '../example/bookshop.js';
import { Reloader } from '../server/reload.js';
import { buildServer, type GatehouseServer } from '../server/server.js';
import { type Command, commonOptions, configFileOf, exitCodes, type Io, takePositionals } from './command.js';
import { applyEnvironment, exampleVariables, withExampleKeys } from './configuration.js';
import { renderFindings } from './terminal.js';

/** `gatehouse serve`: runs until SIGTERM or SIGINT. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve the configured manuals',
  usage: '',
  options: commonOptions,
  notes: ['PORT and HOST in the environment win over the file. SIGTERM ends it once calls in flight are done.'],
  async run(input, io) {
    takePositionals(input);
    const example = new Example();
    const file = configFileOf(input, io);
    // Heard from the first moment on: whoever reads that it is ready may signal it at once.
    const stopped = untilStopped();
    let reloader: Reloader | undefined;
    const hangUp = () => void reloader?.reload();
    process.on('SIGHUP', hangUp);
    try {
      const loaded = await loadForServing(file, io, example);
      const server = await buildServer(loaded);
      const notices = [...server.notices, ...warnOfChecklist(loaded)];
      if (notices.length > 0) io.err(renderFindings(io, notices));
      const url = await listen(server, loaded, io);
      if (url === undefined) return exitCodes.usage;
      if (loaded.config.example) printExample(io, url, example.keys);
      reloader = new Reloader(loaded, {
        load: () => loadForServing(file, io, example),
        apply: (next) => server.apply(next),
        sink: server.sink,
        report: io.err,
      });
      await reloader.watch(250);
      await stopped;
      reloader.close();
      await server.close();
      return exitCodes.good;
    } finally {
      process.off('SIGHUP', hangUp);
      await example.shop?.close();
    }
  },
};

/** The items of the checklist that fail, told at every start; with `require_checklist` they refuse it. */
function warnOfChecklist(loaded: LoadedConfig): readonly Finding[] {
  if (loaded.config.server.require_checklist) return [];
  const failures = describeChecklist(answerChecklist(loaded), loaded);
  return failures.map((finding) => ({ ...finding, severity: 'warning' }));
}

class Example {
  shop: Bookshop | undefined;
  readonly keys = new Map<string, string>();
}

function loadForServing(file: string, io: Io, example: Example): Promise<LoadedConfig> {
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

async function listen(server: GatehouseServer, loaded: LoadedConfig, io: Io): Promise<string | undefined> {
  try {
    const url = await server.listen();
    const [admin, time] = [server.admin_url, new Date()];
    io.out(
      JSON.stringify({
        event: 'server.ready',
        url: server.listener_url,
        public_url: url,
        admin,
        pid: process.pid,
        time,
      }),
    );
    return server.listener_url;
  } catch (error) {
    await server.close();
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') throw error;
    const { host, port } = loaded.config.server;
    io.err(
      `gatehouse serve: cannot listen on ${host}:${port} (${code}). Set PORT or server.port; 0 takes any free one.`,
    );
    return undefined;
  }
}

function printExample(io: Io, url: string, keys: ReadonlyMap<string, string>): void {
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

function untilStopped(): Promise<void> {
  return new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop());
  });
}
