import type { Principal } from '../core/index.js';
import type { AccessContext } from './condition.js';
import type { Decision, Policy, PolicyTool } from './policy.js';

/** One role's part in a decision. */
export interface RoleExplanation {
  readonly role: string;
  readonly discover: boolean;
  readonly call: boolean;
  readonly deny: boolean;
  /** The role's CEL condition, where it has one. */
  readonly when?: string;
  /** Whether the condition holds; undefined while it waits for arguments. */
  readonly holds?: boolean;
}

export interface Explanation extends Decision {
  readonly caller: string;
  readonly tool: string;
  /** The kind of credential that was asked about. */
  readonly credential: Principal['source'];
  readonly roles: readonly RoleExplanation[];
  readonly scopes?: readonly string[];
}

/** Why a caller may or may not see and call a tool; the verdict is the enforcing function's own. */
export function explainDecision(
  policy: Policy,
  principal: Principal,
  tool: PolicyTool,
  context: AccessContext,
): Explanation {
  const roles = policy.rolesOf(principal).map(({ name, condition }): RoleExplanation => {
    const undecided = condition?.reads_arguments && !context.args;
    return {
      role: name,
      ...policy.effectsOf(name, tool),
      ...(condition && { when: condition.source }),
      ...(condition && !undecided && { holds: condition.holds(principal, context) }),
    };
  });
  return {
    caller: principal.id,
    tool: tool.id,
    credential: principal.source,
    ...policy.decide(principal, tool, context),
    roles,
    ...(principal.scopes && { scopes: principal.scopes }),
  };
}
