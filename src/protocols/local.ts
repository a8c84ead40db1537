import { z } from 'zod';
import {
  type Arguments,
  type CallResult,
  type CallScope,
  type ErrorCode,
  GatehouseError,
  isPromiseLike,
  LoadError,
  type LocalCaller,
  type LocalContext,
  type LocalTool,
  type PreparedCall,
} from '../core/index.js';
import { describeCancel } from './cancellation.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';

/** The call template type of a local tool. No manual may use it: its tools are found by id, and only a program has any. */
export const localTemplateType = 'local';

const localTemplate = z.strictObject({
  call_template_type: z.literal(localTemplateType),
  http_method: z.enum(['GET', 'POST']),
});

/** Calls functions of this program. */
export function createLocalProtocol(
  tools: readonly LocalTool[],
  deps: ProtocolDependencies,
): Protocol<z.infer<typeof localTemplate>> {
  const known = new Map(tools.map((tool) => [`${tool.manual}.${tool.name}`, tool]));
  return {
    type: localTemplateType,
    schema: localTemplate,
    prepare(_template, binding) {
      const tool = known.get(binding.tool);
      if (!tool) throw noSuchTool(binding);
      return prepareCall(tool, binding.tool, deps);
    },
    close: async () => undefined,
  };
}

function prepareCall(tool: LocalTool, id: string, deps: ProtocolDependencies): PreparedCall {
  return {
    // A handler that fails must not open the breaker of its neighbours.
    upstream: id,
    call(args, scope) {
      const fail = (error: unknown) => describeFailure(error, id, scope, deps);
      try {
        const pending = runTool(tool, args, scope, new ScopeContext(id, scope));
        if (!(pending instanceof Promise)) return toResult(pending);
        return pending.then(toResult).catch((error) => {
          throw fail(error);
        });
      } catch (error) {
        throw fail(error);
      }
    },
  };
}

/** What the caller is told of a handler's failure; the operator is told the rest. */
function describeFailure(error: unknown, id: string, scope: CallScope, deps: ProtocolDependencies): GatehouseError {
  const refusal = error instanceof GatehouseError && mayBeTold(error) ? error : undefined;
  const fault = refusal ? refusal.details.internal : describeFault(error);
  if (fault !== undefined) deps.report_fault?.(`${id} failed in request ${scope.request_id}: ${fault}`);
  return refusal ?? new GatehouseError('upstream_failed', { reason: 'handler_failed' });
}

/** Waits for the handler's promise as long as the call may take; what a handler that ignores its signal does later is lost. */
function runTool(tool: LocalTool, args: Arguments, scope: CallScope, context: LocalContext): unknown {
  const pending = tool.run(args, context);
  if (!isPromiseLike(pending)) return pending;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => scope.cancel('timeout'), scope.timeout_ms);
    const forget = scope.onCancel((reason) => settle(() => reject(describeCancel(reason))));
    function settle(tell: () => void): void {
      clearTimeout(timer);
      forget?.();
      tell();
    }
    pending.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
  });
}

class ScopeContext implements LocalContext {
  readonly #scope: CallScope;

  constructor(
    readonly tool: string,
    scope: CallScope,
  ) {
    this.#scope = scope;
  }

  get request_id(): string {
    return this.#scope.request_id;
  }

  get signal(): AbortSignal {
    return this.#scope.signal;
  }

  get caller(): LocalCaller {
    const { principal } = this.#scope;
    if (!principal) throw new Error('a local tool was called without a caller');
    const { id, source, roles, scopes, claims } = principal;
    return { id, source, roles, scopes, claims };
  }
}

function toResult(value: unknown): CallResult {
  return { body: JSON.stringify(value) ?? 'null' };
}

// What a handler may say to its caller. The codes of authentication, permission and limits are the server's own: with
// them a handler's error would be recorded as something that did not happen.
const tellable: ReadonlySet<ErrorCode> = new Set([
  'invalid_input',
  'path_not_allowed',
  'upstream_failed',
  'upstream_invalid',
  'upstream_too_large',
  'upstream_unavailable',
  'upstream_timeout',
  'client_aborted',
  'draining',
  'overloaded',
]);

function mayBeTold(error: GatehouseError): boolean {
  return tellable.has(error.code);
}

function describeFault(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function noSuchTool({ tool, file, pointer }: ToolBinding): LoadError {
  return LoadError.of({
    rule: 'template-type-unknown',
    file,
    pointer: `${pointer}/call_template_type`,
    message: `${localTemplateType} stands for a tool that the program defines, and it defines no ${tool}.`,
    mend: 'Use a call template type of UTCP, or define the tool with defineTool.',
  });
}
