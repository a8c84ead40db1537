import { basename, resolve } from 'node:path';
import { type Arguments, type CallScope, GatehouseError, type PreparedCall, toPointer } from '../core/index.js';
import type { CompiledText } from '../variables/index.js';
import { describeCancel } from './cancellation.js';
import { compilePath, prepareRule } from './file-rule.js';
import type { FileTemplate } from './file-template.js';
import { notAllowed, type ReadRule, readInside } from './path-read.js';
import type { ProtocolDependencies, ToolBinding } from './protocol.js';
import { textDecoders } from './text-encoding.js';
import { toResult } from './text-result.js';

/**
 * Binds a template that reads a file. Directories are resolved and the path is compiled here. Throws LoadError: for a
 * path with arguments and no `allowed_paths`, a missing directory, or a placeholder that cannot be filled.
 */
export function prepareFileCall(
  template: FileTemplate,
  binding: ToolBinding,
  report: ProtocolDependencies['report'],
): PreparedCall {
  const path = compilePath(template.file_path, `${binding.pointer}/file_path`, binding);
  const rule = prepareRule(template, path, binding);
  const decode = textDecoders[template.encoding];
  const upstream = path.constant === undefined ? 'file' : basename(path.constant);
  return {
    async call(args, scope) {
      const bytes = await readFor(path, args, rule, scope, binding).catch((error: unknown) => {
        if (error instanceof GatehouseError && error.code === 'upstream_failed') {
          report({ kind: 'failed', upstream, tool: binding.tool, reason: error.reason });
        }
        throw error;
      });
      return toResult(decode(bytes), template.parse);
    },
  };
}

async function readFor(
  path: CompiledText,
  args: Arguments,
  rule: ReadRule,
  scope: CallScope,
  binding: ToolBinding,
): Promise<Buffer> {
  if (scope.cancelled) throw describeCancel(scope.cancelled);
  refuseCharacters(path, args);
  const rendered = path.render(args, scope);
  if (rendered === undefined) throw missingArgument(path, args);
  try {
    const bytes = await readInside(resolve(binding.base_dir, rendered), rule);
    if (scope.cancelled) throw describeCancel(scope.cancelled);
    return bytes;
  } catch (error) {
    throw error instanceof GatehouseError ? error : describeFileError(error, path);
  }
}

// NUL ends a path for the kernel; a backslash is a separator on other systems that may have the same share mounted.
function refuseCharacters(path: CompiledText, args: Arguments): void {
  for (const name of path.arguments) {
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    if (typeof value === 'string' && /[\0\\]/.test(value)) throw notAllowed('characters');
  }
}

function missingArgument(path: CompiledText, args: Arguments): GatehouseError {
  const missing = [...path.arguments].filter((name) => !Object.hasOwn(args, name));
  return new GatehouseError('invalid_input', {
    detail: 'The path needs an argument that is absent.',
    errors: missing.map((name) => ({ pointer: toPointer(name), message: 'is required' })),
  });
}

const leadsNowhere = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);
const leadsAstray = new Set(['ELOOP', 'ENXIO', 'ENODEV']);

function describeFileError(cause: unknown, path: CompiledText): GatehouseError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (leadsAstray.has(code)) return notAllowed('not_a_file');
  if (!leadsNowhere.has(code)) return new GatehouseError('upstream_failed', { reason: 'file_unreadable' });
  if (path.constant !== undefined) return new GatehouseError('upstream_failed', { reason: 'file_missing' });
  return new GatehouseError('invalid_input', {
    detail: 'The arguments name no file.',
    reason: 'file_missing',
    errors: [...path.arguments].map((name) => ({ pointer: toPointer(name), message: 'names no file' })),
  });
}
