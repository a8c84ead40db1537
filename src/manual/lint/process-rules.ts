import { isAbsolute, normalize } from 'node:path';
import { isJsonObject, type Json, toPointer } from '../../core/index.js';
import type { Rule, RuleContext, ToolSource } from './rule.js';
import { inputsOf, objectOf } from './walk.js';

interface Command {
  readonly source: ToolSource;
  readonly command: string;
  readonly args: readonly Json[];
  readonly pointer: string;
  /** Where an argument stands: in a list of its own, or in the command's text. */
  argPointer(index: number): string;
}

/** The programs that templates start: of cli tools and of mcp servers over stdio. */
function commandsOf({ tools }: RuleContext): readonly Command[] {
  return tools.flatMap((source) => {
    const { template, template_pointer: pointer, template_type: type } = source;
    if (type === 'cli') {
      return [...toCommands(source, template, pointer, ['command', 'command_name']), ...toSteps(source, pointer)];
    }
    if (type !== 'mcp') return [];
    const servers = objectOf(objectOf(template.config).mcpServers);
    return [
      ...toCommands(source, template.server_config, `${pointer}/server_config`, ['command']),
      ...Object.entries(servers).flatMap(([name, server]) =>
        toCommands(source, server, pointer + toPointer('config', 'mcpServers', name), ['command']),
      ),
    ];
  });
}

function toCommands(
  source: ToolSource,
  holder: Json | undefined,
  pointer: string,
  names: readonly string[],
): readonly Command[] {
  if (!isJsonObject(holder)) return [];
  const args = Array.isArray(holder.args) ? holder.args : [];
  return names.flatMap((name) => {
    const command = holder[name];
    if (typeof command !== 'string') return [];
    const argPointer = (index: number) => `${pointer}/args/${index}`;
    return [{ source, command, args, pointer: `${pointer}/${name}`, argPointer }];
  });
}

// UTCP 1.1 writes programs and arguments as one text, with arguments of the tool as UTCP_ARG_name_UTCP_END.
function toSteps(source: ToolSource, pointer: string): readonly Command[] {
  const { commands } = source.template;
  if (!Array.isArray(commands)) return [];
  return commands.flatMap((step: Json, index): readonly Command[] => {
    const { command: text } = objectOf(step);
    if (typeof text !== 'string') return [];
    const [command = '', ...args] = text
      .replace(/UTCP_ARG_(\w+?)_UTCP_END/g, '{$1}')
      .trim()
      .split(/\s+/);
    const at = `${pointer}/commands/${index}/command`;
    const isShell = /[;&|`<>]|\$\(/.test(text);
    return [{ source, command: isShell ? text : command, args, pointer: at, argPointer: () => at }];
  });
}

const shells = /(^|\/)(sh|bash|dash|zsh|ksh|fish|cmd(\.exe)?|powershell(\.exe)?|pwsh)$/;
const interpreters = /(^|\/)(python[\d.]*|node|perl|ruby|php|awk|env|xargs|ssh|sudo)$/;
const codeFlags = new Set(['-c', '-e', '-r', '--eval', '-p', '--command', '-Command']);
const broad = new Set([
  '/',
  '/etc',
  '/home',
  '/root',
  '/usr',
  '/var',
  '/proc',
  '/sys',
  '/dev',
  '/tmp',
  '.',
  '~',
  'C:\\',
]);

export const processRules: readonly Rule[] = [
  {
    id: 'cli-relative-command',
    severity: 'error',
    why: 'A name without a path starts whatever PATH finds first.',
    mend: 'Write the absolute path of the program.',
    check: (context) => {
      for (const { command, pointer } of commandsOf(context)) {
        const [program = ''] = command.trim().split(/\s+/);
        if (!isAbsolute(program)) context.report(pointer, `${JSON.stringify(program)} is no absolute path.`);
      }
    },
  },
  {
    id: 'cli-shell',
    severity: 'error',
    why: 'A shell or interpreter that is handed text runs whatever an argument can smuggle into it.',
    mend: 'Start the program itself, one text for each argument.',
    check: (context) => {
      for (const { command, args, pointer } of commandsOf(context)) {
        const [program = ''] = command.trim().split(/\s+/);
        const runsText = interpreters.test(program) && args.some((arg) => codeFlags.has(String(arg)));
        if (shells.test(program) || runsText) context.report(pointer, `${program} runs text as a program.`);
        else if (/[;&|`<>]|\$\(/.test(command)) context.report(pointer, 'The command is written for a shell.');
      }
    },
  },
  {
    id: 'cli-argument-injection',
    severity: 'warning',
    why: 'An argument that starts with a hyphen is read as an option of the program (CVE-2026-45369).',
    mend: 'Give the input a pattern that starts with no hyphen, or put "--" before the argument.',
    check: (context) => {
      for (const { source, args, argPointer } of commandsOf(context)) {
        const inputs = inputsOf(source);
        const guard = args.indexOf('--');
        args.forEach((arg, index) => {
          const name = /^\$?\{(\w+)\}/.exec(String(arg))?.[1];
          if (name === undefined || (guard >= 0 && guard < index) || !(name in inputs)) return;
          if (mayStartWithHyphen(inputs[name])) context.report(argPointer(index), `${name} may be read as an option.`);
        });
      }
    },
  },
  {
    id: 'file-path-broad',
    severity: 'error',
    why: 'A tool that reads files must be held to a folder of its own, or it reads secrets of the machine.',
    mend: 'List the narrowest folders under allowed_paths.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        const { template, template_pointer: pointer, template_type: type } = source;
        if (type !== 'text' && type !== 'file') continue;
        const paths = Array.isArray(template.allowed_paths) ? template.allowed_paths : [];
        paths.forEach((path: Json, index) => {
          if (isBroad(String(path)))
            report(`${pointer}/allowed_paths/${index}`, `${String(path)} holds far more than one tool needs.`);
        });
        const file = String(template.file_path ?? '');
        const isOpen = Object.keys(inputsOf(source)).some((name) => file.includes(`{${name}}`));
        if (isOpen && paths.length === 0)
          report(`${pointer}/file_path`, 'An argument chooses the file and no folder bounds it.');
        if (file.split('/').includes('..')) report(`${pointer}/file_path`, 'The path climbs out of its folder.');
      }
    },
  },
];

function mayStartWithHyphen(schema: Json | undefined): boolean {
  const { type, pattern, enum: choices, format } = objectOf(schema);
  if (Array.isArray(choices)) return choices.some((choice: Json) => String(choice).startsWith('-'));
  if (type === 'boolean' || ['date', 'date-time', 'uuid', 'ipv4', 'email'].includes(String(format))) return false;
  if (typeof pattern !== 'string' || !pattern.startsWith('^')) return true;
  try {
    return ['-', '--x', '-1'].some((text) => new RegExp(pattern, 'u').test(text));
  } catch {
    // A pattern that does not compile bounds nothing; another rule reports it.
    return true;
  }
}

function isBroad(path: string): boolean {
  const folder = normalize(path).replace(/(?<=.)\/$/, '');
  return broad.has(folder) || folder.startsWith('..') || /^\/home\/[^/]+$/.test(folder) || folder.includes('*');
}
