import { type Arguments, type CallScope, LoadError } from '../core/index.js';
import { type CompiledText, compileText, refuseArgument } from '../variables/index.js';
import type { ToolBinding } from './protocol.js';

// Linux takes no argument of 128 KiB or more, its NUL included (MAX_ARG_STRLEN).
const longestArgument = 131_071;
const attachedOption = /^--?[A-Za-z0-9][\w.-]*=/;
const loneOption = /^--?[A-Za-z0-9][^=]*$/;

interface ArgvElement {
  readonly text: CompiledText;
  /** Whether a value stands where the program would take it for an option. */
  readonly guarded: boolean;
  /** Whether the element before it is the option whose value this is, so that they come and go together. */
  readonly hasOption: boolean;
}

/** The arguments of a program, compiled: each element is one argument whatever the values are. */
export interface CompiledArgv {
  /**
   * Puts the arguments of a call in. An element with an absent argument is left out, and so is the lone option right
   * before it. Throws GatehouseError `invalid_input` for a value that would be an option (CVE-2026-45369,
   * GHSA-5v57-8rxj-3p2r), holds NUL, is not well-formed Unicode, or is too long for the host.
   */
  render(args: Arguments, scope: CallScope): readonly string[];
}

/** Compiles a program's arguments. Throws LoadError for an element whose value could name an option. */
export function compileArgv(
  elements: readonly string[],
  pointers: readonly string[],
  binding: ToolBinding,
): CompiledArgv {
  const compiled: ArgvElement[] = [];
  let literal = false;
  elements.forEach((element, index) => {
    const pointer = pointers[index] ?? binding.pointer;
    const { inputs, variables, file } = binding;
    const text = compileText(element, { context: 'argv', inputs, variables, file, pointer });
    const previous = compiled.at(-1)?.text.constant;
    compiled.push({
      text,
      guarded: !literal && mayBeOption(text, pointer, binding),
      hasOption: !literal && text.constant === undefined && previous !== undefined && loneOption.test(previous),
    });
    if (text.constant === '--') literal = true;
  });
  return { render: (args, scope) => renderArgv(compiled, args, scope) };
}

function mayBeOption(text: CompiledText, pointer: string, binding: ToolBinding): boolean {
  if (text.constant !== undefined) return false;
  if (text.prefix === '') return true;
  if (!text.prefix.startsWith('-') || attachedOption.test(text.prefix)) return false;
  throw LoadError.of({
    rule: 'option-open',
    file: binding.file,
    pointer,
    message: `${text.prefix} is continued by an argument, so that a caller could choose the option.`,
    mend: 'Write the value as an element of its own, or attach it with =.',
  });
}

function renderArgv(elements: readonly ArgvElement[], args: Arguments, scope: CallScope): readonly string[] {
  const argv: string[] = [];
  for (const { text, guarded, hasOption } of elements) {
    const rendered = text.render(args, scope);
    if (rendered === undefined) {
      if (hasOption) argv.pop();
      continue;
    }
    if (text.constant === undefined) requireArgument(rendered, text, guarded);
    argv.push(rendered);
  }
  return argv;
}

function requireArgument(rendered: string, text: CompiledText, guarded: boolean): void {
  const [name = ''] = text.arguments;
  if (guarded && rendered.startsWith('-')) throw refuseArgument(name, 'begins with - and would be read as an option');
  if (/\p{Surrogate}/u.test(rendered)) throw refuseArgument(name, 'is not well-formed Unicode');
  if (Buffer.byteLength(rendered) > longestArgument) throw refuseArgument(name, 'is too long for a program');
}
