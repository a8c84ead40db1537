import type { Arguments, CallScope, CallTemplate } from '../../src/core/index.js';
import { GatehouseError } from '../../src/core/index.js';
import type { ProtocolRegistry } from '../../src/protocols/index.js';

/** A registry whose every tool answers its own arguments, or what the template's `url` names: the pipeline's own tests. */
export function createEchoProtocols(): ProtocolRegistry & { readonly scopes: CallScope[] } {
  const scopes: CallScope[] = [];
  return {
    scopes,
    prepareTool: (template: CallTemplate) => ({
      async call(args: Arguments, scope: CallScope) {
        scopes.push(scope);
        if (template.url === 'https://fails.example/')
          throw new GatehouseError('upstream_failed', { internal: 'secret' });
        if (template.url === 'https://breaks.example/') throw new TypeError('a fault in the code, with a /path');
        if (template.url === 'https://hangs.example/') {
          await new Promise<void>((stop) => scope.onCancel(() => stop()));
          throw new GatehouseError('client_aborted');
        }
        return { body: JSON.stringify(args) };
      },
    }),
    async start() {},
    retain() {},
    health: () => [],
    async close() {},
  };
}
