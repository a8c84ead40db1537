import {
  callScope,
  discoverScope,
  type Finding,
  LoadError,
  type Principal,
  type Tool,
  toPointer,
} from '../core/index.js';
import { type AccessContext, type Condition, compileCondition } from './condition.js';
import type { PolicyConfig, RoleConfig } from './config.js';
import { compilePatterns } from './pattern.js';

export type Verdict = 'hidden' | 'visible' | 'callable';

export type DecisionReason =
  | 'granted'
  | 'granted_on_condition'
  | 'condition_failed'
  | 'no_grant'
  | 'denied_by_role'
  | 'insufficient_scope'
  | 'honeypot';

export interface Decision {
  readonly verdict: Verdict;
  readonly reason: DecisionReason;
  /** With `insufficient_scope`: the scope that is missing. */
  readonly required_scope?: string;
  /** With `insufficient_scope`: all scopes that a token needs for this tool. */
  readonly needed_scopes?: readonly string[];
}

/** The tools' facts that permissions depend on. */
export type PolicyTool = Pick<Tool, 'id' | 'index' | 'manual' | 'tags'> & {
  readonly settings: Pick<Tool['settings'], 'required_scopes' | 'honeypot'>;
};

/** What a role does to a tool, as bits. */
const grantsDiscovery = 1;
const grantsCall = 2;
const denies = 4;

/** One role against the whole catalog. */
interface CompiledRole {
  readonly name: string;
  readonly config: RoleConfig;
  readonly condition: Condition | undefined;
  readonly effects: Uint8Array;
}

/** Verdicts of a permission set, a byte for each tool. */
const hidden = 0;
const noGrant = 1;
const missingScope = 2;
const callable = 3;
const conditional = 4;
const honeypot = 5;
const denied = 6;

const decisions: Record<number, Decision> = {
  [hidden]: { verdict: 'hidden', reason: 'no_grant' },
  [noGrant]: { verdict: 'visible', reason: 'no_grant' },
  [callable]: { verdict: 'callable', reason: 'granted' },
  [conditional]: { verdict: 'callable', reason: 'granted_on_condition' },
  [honeypot]: { verdict: 'hidden', reason: 'honeypot' },
  [denied]: { verdict: 'hidden', reason: 'denied_by_role' },
};
const nothing: Decision = { verdict: 'hidden', reason: 'no_grant' };

/** The tools that a set of permissions shows: equal for all callers with equal rights, so that work is shared by it. */
export interface PermissionSet {
  /** Equal keys mean equal verdicts, within one policy. */
  readonly key: string;
  /** One code a tool, by the tool's index. */
  readonly verdicts: Uint8Array;
  /** Names of the manuals that show at least one tool. */
  readonly manuals: ReadonlySet<string>;
  /** Whether the caller may discover anything at all; false when a token's scopes leave `tools:read` out. */
  readonly may_discover: boolean;
}

/**
 * The one permission decision. The manual, the call, `explain` and every other view ask `decide` or `isVisible` and
 * nothing else. Deny by default; a deny of any role beats every grant; scopes only narrow.
 */
export class Policy {
  readonly #roles: ReadonlyMap<string, CompiledRole>;
  readonly #tools: readonly PolicyTool[];
  readonly #relevantScopes: ReadonlySet<string>;
  readonly #sets = new Map<string, PermissionSet>();
  readonly #byPrincipal = new WeakMap<Principal, PermissionSet>();

  private constructor(roles: ReadonlyMap<string, CompiledRole>, tools: readonly PolicyTool[]) {
    this.#roles = roles;
    this.#tools = tools;
    this.#relevantScopes = new Set([
      discoverScope,
      callScope,
      ...tools.flatMap((tool) => tool.settings.required_scopes),
    ]);
  }

  /**
   * Compiles roles against a catalog. Throws LoadError for a condition that does not compile, and for a role that lets
   * a tool be called which it does not let be discovered. `notices` receives patterns that match nothing.
   */
  static compile(config: PolicyConfig, tools: readonly PolicyTool[], notices: Finding[] = []): Policy {
    const findings: Finding[] = [];
    const roles = new Map<string, CompiledRole>();
    for (const [name, role] of Object.entries(config.roles)) {
      try {
        roles.set(name, compileRole(name, role, tools, notices));
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        findings.push(...error.findings);
      }
    }
    if (findings.length > 0) throw new LoadError(findings);
    return new Policy(roles, tools);
  }

  /** Hidden, visible or callable, and why. Without `context.args`, a grant that depends on them counts as a grant. */
  decide(principal: Principal, tool: PolicyTool | undefined, context: AccessContext): Decision {
    // Ahead of the question whether there is such a tool, so that the answer takes no longer where there is.
    const { verdicts } = this.permissionSet(principal, context);
    if (!tool) return nothing;
    const code = verdicts[tool.index] ?? hidden;
    if (code === missingScope) return this.#missingScope(principal, tool);
    if (code === conditional && context.args) return this.#decideByArguments(principal, tool, context);
    return decisions[code] ?? nothing;
  }

  /** Whether the caller may know that the tool exists. */
  static isVisible(set: Pick<PermissionSet, 'verdicts'>, tool: { readonly index: number }): boolean {
    const code = set.verdicts[tool.index] ?? hidden;
    return code !== hidden && code !== honeypot && code !== denied;
  }

  /** The caller's permissions over the whole catalog; shared by all callers with the same rights. */
  permissionSet(principal: Principal, context: AccessContext): PermissionSet {
    const known = this.#byPrincipal.get(principal);
    if (known) return known;
    const roles = this.#rolesOf(principal);
    const active = roles.filter(
      ({ condition }) => !condition || condition.reads_arguments || condition.holds(principal, context),
    );
    const set = this.#intern(active, this.#scopesOf(principal));
    if (!roles.some((role) => role.condition?.varies)) this.#byPrincipal.set(principal, set);
    return set;
  }

  /** The compiled roles that a principal holds, for `explain`. */
  rolesOf(principal: Principal): readonly { readonly name: string; readonly condition: Condition | undefined }[] {
    return this.#rolesOf(principal);
  }

  /** What a role does to a tool, for `explain`. */
  effectsOf(role: string, tool: PolicyTool): { discover: boolean; call: boolean; deny: boolean } {
    const effect = this.#roles.get(role)?.effects[tool.index] ?? 0;
    return { discover: (effect & grantsDiscovery) > 0, call: (effect & grantsCall) > 0, deny: (effect & denies) > 0 };
  }

  #rolesOf(principal: Principal): CompiledRole[] {
    return principal.roles.flatMap((name) => this.#roles.get(name) ?? []);
  }

  #scopesOf(principal: Principal): readonly string[] | undefined {
    return principal.scopes?.filter((scope) => this.#relevantScopes.has(scope));
  }

  #intern(roles: readonly CompiledRole[], scopes: readonly string[] | undefined): PermissionSet {
    const key = `${roles.map((role) => role.name).join(' ')}|${scopes ? scopes.join(' ') : '*'}`;
    const known = this.#sets.get(key);
    if (known) return known;
    const verdicts = this.#judgeAll(roles, scopes);
    const visible = this.#tools.filter((tool) => Policy.isVisible({ verdicts }, tool));
    const manuals = new Set(visible.map(({ manual }) => manual));
    const set = { key, verdicts, manuals, may_discover: scopes?.includes(discoverScope) ?? true };
    // Claims make new combinations possible without end; the oldest goes, and is made again when it is asked for.
    if (this.#sets.size >= maxPermissionSets) {
      for (const oldest of this.#sets.keys()) {
        this.#sets.delete(oldest);
        break;
      }
    }
    this.#sets.set(key, set);
    return set;
  }

  #judgeAll(roles: readonly CompiledRole[], scopes: readonly string[] | undefined): Uint8Array {
    const verdicts = new Uint8Array(this.#tools.length);
    const firm = roles.filter((role) => !role.condition?.reads_arguments);
    const open = roles.filter((role) => role.condition?.reads_arguments);
    for (const tool of this.#tools) {
      const sure = firm.reduce((bits, role) => bits | (role.effects[tool.index] ?? 0), 0);
      const maybe = open.reduce((bits, role) => bits | (role.effects[tool.index] ?? 0), 0);
      verdicts[tool.index] = judge(tool, sure, maybe, scopes);
    }
    return verdicts;
  }

  #missingScope(principal: Principal, tool: PolicyTool): Decision {
    const needed_scopes = [discoverScope, callScope, ...tool.settings.required_scopes];
    const required_scope = needed_scopes.find((scope) => !principal.scopes?.includes(scope)) ?? callScope;
    return { verdict: 'visible', reason: 'insufficient_scope', required_scope, needed_scopes };
  }

  #decideByArguments(principal: Principal, tool: PolicyTool, context: AccessContext): Decision {
    const granted = this.#rolesOf(principal).some(
      ({ condition, effects }) =>
        ((effects[tool.index] ?? 0) & grantsCall) > 0 && (condition?.holds(principal, context) ?? true),
    );
    return granted
      ? { verdict: 'callable', reason: 'granted_on_condition' }
      : { verdict: 'visible', reason: 'condition_failed' };
  }
}

const maxPermissionSets = 4096;

function judge(tool: PolicyTool, sure: number, maybe: number, scopes: readonly string[] | undefined): number {
  if (tool.settings.honeypot) return honeypot;
  if ((sure & denies) > 0) return denied;
  if (((sure | maybe) & grantsDiscovery) === 0) return hidden;
  if (scopes && !scopes.includes(discoverScope)) return hidden;
  if (((sure | maybe) & grantsCall) === 0) return noGrant;
  const required = [callScope, ...tool.settings.required_scopes];
  if (scopes && required.some((scope) => !scopes.includes(scope))) return missingScope;
  return (sure & grantsCall) > 0 ? callable : conditional;
}

function compileRole(name: string, config: RoleConfig, tools: readonly PolicyTool[], notices: Finding[]): CompiledRole {
  const pointer = toPointer('policy', 'roles', name);
  const condition = config.when === undefined ? undefined : compileCondition(config.when, `${pointer}/when`);
  if (condition && config.deny.length > 0) throw conditionalDeny(`${pointer}/deny`);
  const discovers = compilePatterns(config.discover);
  const calls = compilePatterns(config.call);
  const refuses = compilePatterns(config.deny);
  const effects = new Uint8Array(tools.length);
  for (const tool of tools) {
    effects[tool.index] =
      (discovers(tool) ? grantsDiscovery : 0) | (calls(tool) ? grantsCall : 0) | (refuses(tool) ? denies : 0);
  }
  const blind = tools.find((tool) => ((effects[tool.index] ?? 0) & (grantsDiscovery | grantsCall)) === grantsCall);
  if (blind) throw callableButHidden(name, blind.id, `${pointer}/call`);
  noticeIdlePatterns(name, config, tools, notices);
  return { name, config, condition, effects };
}

function noticeIdlePatterns(name: string, config: RoleConfig, tools: readonly PolicyTool[], notices: Finding[]): void {
  for (const list of ['discover', 'call', 'deny'] as const) {
    config[list].forEach((pattern, index) => {
      const matches = compilePatterns([pattern]);
      if (tools.some(matches)) return;
      notices.push({
        rule: 'pattern-idle',
        severity: 'warning',
        pointer: toPointer('policy', 'roles', name, list, index),
        message: `${pattern} matches no tool.`,
        mend: 'Patterns are manual.tool with * for any characters, or tag:NAME.',
      });
    });
  }
}

function callableButHidden(role: string, tool: string, pointer: string): LoadError {
  return LoadError.of({
    rule: 'call-without-discover',
    pointer,
    message: `Role ${role} may call ${tool} but not discover it.`,
    mend: 'Add a pattern that covers it to discover: what may be called must also be discoverable.',
  });
}

// A deny that an absent claim or a failing expression could switch off would fail open; roles that deny are firm.
function conditionalDeny(pointer: string): LoadError {
  return LoadError.of({
    rule: 'conditional-deny',
    pointer,
    message: 'A role with a condition cannot deny.',
    mend: 'Move deny into a role of its own without when.',
  });
}
