import { Policy } from '../access/index.js';
import { Publisher } from '../manual/index.js';
import {
  type Command,
  commonOptions,
  configFileOf,
  exitCodes,
  stringOf,
  takePositionals,
  UsageError,
} from './command.js';
import { loadForCommand } from './configuration.js';
import { principalOf, principalOptions } from './principal.js';

/** `gatehouse manual --as CALLER`: what that caller is served, from the function that enforces it. */
export const manualCommand: Command = {
  name: 'manual',
  summary: 'print the manual that a caller is served',
  usage: '--as CALLER [MANUAL]',
  options: {
    as: { type: 'string', value: 'CALLER', help: "a configured caller's id" },
    ...principalOptions,
    address: { type: 'string', value: 'ADDRESS', help: 'the address it calls from (default 127.0.0.1)' },
    ...commonOptions,
  },
  async run(input, io) {
    const caller = stringOf(input, 'as');
    if (caller === undefined) throw new UsageError('--as CALLER is missing');
    const [manual] = input.positionals.length > 0 ? takePositionals(input, 'MANUAL') : [];
    const loaded = await loadForCommand(configFileOf(input, io), io);
    const principal = principalOf(input, loaded, caller);
    const context = { now_ms: Date.now(), address: stringOf(input, 'address') ?? '127.0.0.1' };
    const permissions = loaded.policy.permissionSet(principal, context);
    const { host, port, public_url } = loaded.config.server;
    const publisher = new Publisher(loaded.catalog, {
      public_url: public_url ?? `http://${host}:${port}`,
      max_cache_bytes: loaded.config.server.manual_cache_bytes,
    });
    const tools = loaded.catalog.tools.filter(
      (tool) => (manual === undefined || tool.manual === manual) && Policy.isVisible(permissions, tool),
    );
    const body = publisher.assemble(tools, principal.source === 'oauth' ? 'oauth' : 'bearer').toString('utf8');
    io.out(input.values.json === true ? body : JSON.stringify(JSON.parse(body), null, 2));
    return exitCodes.good;
  },
};
