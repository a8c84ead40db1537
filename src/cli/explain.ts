import { explainDecision } from '../access/index.js';
import { type Arguments, LoadError } from '../core/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  configFileOf,
  exitCodes,
  flagOf,
  stringOf,
  takePositionals,
} from './command.js';
import { loadForCommand } from './configuration.js';
import { readJsonObject } from './json-object.js';
import { principalOf, principalOptions } from './principal.js';

/** `gatehouse explain CALLER TOOL`: the decision, and every role's part in it. */
export const explainCommand: Command = {
  name: 'explain',
  summary: 'say why a caller may or may not see and call a tool',
  usage: 'CALLER TOOL',
  options: {
    args: { type: 'string', value: 'JSON', help: 'arguments, for conditions that read them' },
    ...principalOptions,
    address: { type: 'string', value: 'ADDRESS', help: 'the address it calls from (default 127.0.0.1)' },
    ...commonOptions,
  },
  async run(input, io) {
    const [caller = '', id = ''] = takePositionals(input, 'CALLER', 'TOOL');
    const loaded = await loadForCommand(configFileOf(input, io), io);
    const tool = loaded.catalog.findById(id);
    if (!tool) {
      throw LoadError.of({
        rule: 'tool-unknown',
        file: loaded.file,
        pointer: '/manuals',
        message: `There is no tool ${id}.`,
        mend: 'Name it as manual.tool.',
      });
    }
    const context = {
      now_ms: Date.now(),
      address: stringOf(input, 'address') ?? '127.0.0.1',
      args: argumentsOf(input),
    };
    const explanation = explainDecision(loaded.policy, principalOf(input, loaded, caller), tool, context);
    if (flagOf(input, 'json')) io.out(JSON.stringify(explanation));
    else {
      io.out(`${caller} and ${id}: ${explanation.verdict} (${explanation.reason})`);
      if (explanation.required_scope) io.out(`  missing scope: ${explanation.required_scope}`);
      if (explanation.roles.length === 0) io.out('  the caller has no role');
      for (const role of explanation.roles) io.out(`  role ${role.role}: ${describeRole(role)}`);
    }
    return exitCodes.good;
  },
};

function describeRole(role: {
  discover: boolean;
  call: boolean;
  deny: boolean;
  when?: string;
  holds?: boolean;
}): string {
  const effects = (['discover', 'call', 'deny'] as const).filter((effect) => role[effect]);
  const held = role.holds === undefined ? 'waits for arguments' : role.holds ? 'holds' : 'does not hold';
  return `${effects.join(', ') || 'nothing'}${role.when === undefined ? '' : ` when ${role.when} (${held})`}`;
}

function argumentsOf(input: CommandInput): Arguments | undefined {
  const text = stringOf(input, 'args');
  return text === undefined ? undefined : readJsonObject(text, '--args');
}
