import { dirname, resolve } from 'node:path';
import { LoadError } from '../core/index.js';
import { type CompiledText, compileText } from '../variables/index.js';
import type { FileTemplate } from './file-template.js';
import { findBroadDirectory, resolveDirectory } from './path.js';
import type { ReadRule } from './path-read.js';
import type { ToolBinding } from './protocol.js';

/** Compiles a path of the template; its variables are in place afterwards. Throws LoadError. */
export function compilePath(text: string, pointer: string, binding: ToolBinding): CompiledText {
  const { inputs, variables, file } = binding;
  return compileText(text, { context: 'file_path', inputs, variables, file, pointer });
}

/**
 * What the template's path may lead to: directories resolved, bounds computed. Tells the binding of directories that are
 * too broad. Throws LoadError for a path with arguments and no `allowed_paths`, and for a missing directory.
 */
export function prepareRule(template: FileTemplate, path: CompiledText, binding: ToolBinding): ReadRule {
  const written = allowedDirectories(template, path, binding);
  const resolved = written.map(({ directory, pointer }) => {
    const place = { file: binding.file, pointer };
    const real = resolveDirectory(directory, binding.base_dir, place);
    const broad = findBroadDirectory(real, place);
    if (broad) binding.notice(broad);
    return real;
  });
  if (path.constant === undefined && !template.allowed_extensions) noticeExtensions(binding);
  return {
    written: written.map(({ directory }) => directory),
    resolved,
    extensions: template.allowed_extensions && new Set(template.allowed_extensions),
    max_bytes: Math.min(template.max_size, binding.settings.max_response_bytes),
  };
}

function allowedDirectories(template: FileTemplate, path: CompiledText, binding: ToolBinding) {
  if (!template.allowed_paths) {
    if (path.constant === undefined) throw unbounded(binding);
    // A template that names one file and no directory may read what lies beside it and nothing else.
    const pointer = `${binding.pointer}/file_path`;
    return [{ directory: dirname(resolve(binding.base_dir, path.constant)), pointer }];
  }
  return template.allowed_paths.map((text, index) => {
    const pointer = `${binding.pointer}/allowed_paths/${index}`;
    const directory = compilePath(text, pointer, binding).constant;
    if (directory === undefined) throw open(pointer, binding);
    return { directory: resolve(binding.base_dir, directory), pointer };
  });
}

function noticeExtensions(binding: ToolBinding): void {
  binding.notice({
    rule: 'extensions-open',
    severity: 'warning',
    file: binding.file,
    pointer: binding.pointer,
    message: 'A caller chooses the file, and files of every extension may be read.',
    mend: 'Name the extensions in allowed_extensions.',
  });
}

function unbounded(binding: ToolBinding): LoadError {
  return LoadError.of({
    rule: 'allowed-paths-missing',
    file: binding.file,
    pointer: binding.pointer,
    message: 'file_path holds an argument, and allowed_paths is missing.',
    mend: 'Name the directories that may be read in allowed_paths.',
  });
}

function open(pointer: string, binding: ToolBinding): LoadError {
  return LoadError.of({
    rule: 'allowed-path-open',
    file: binding.file,
    pointer,
    message: 'An allowed path holds an argument, so that a caller would choose it.',
    mend: 'Write the path out.',
  });
}
