import { type Finding, toPointer } from '../core/index.js';
import { toAddressKey } from './address.js';
import type { LimitsConfig, RateConfig } from './config.js';
import { renderPolicy } from './headers.js';
import type { Limit } from './limiter.js';

/** The limits that one request is held to, and what its answer says of them. */
export interface LimitSet {
  /** Empty where the configuration sets none: nothing is taken then. */
  readonly limits: readonly Limit[];
  /** The `RateLimit-Policy` header; empty when there are no limits. */
  readonly policy: string;
}

/** Who is held to what. Sets are made once and handed out again, so that a request costs a lookup. */
export interface LimitPlan {
  /** What a caller's manual requests are held to: the caller's rates, counted apart, so that polling costs no calls. */
  forDiscovery(caller: string): LimitSet;
  /** What a call is held to: the caller's limits and those of the caller and tool together. */
  forCall(caller: string, tool: string): LimitSet;
  /** The budget of failed authentications of an address. */
  forAddress(address: string): LimitSet;
  /** The budget of failures that claimed to be this configured caller. */
  forClaimedCaller(caller: string): LimitSet;
}

/** Verified callers are many but finite; token subjects may be very many. Beyond this the cache starts anew. */
const maxCachedCallers = 10_000;
const windows = [
  { name: 'per_minute', window_ms: 60_000 },
  { name: 'per_hour', window_ms: 3_600_000 },
] as const satisfies readonly { name: keyof RateConfig; window_ms: number }[];

/** Reads the plan out of the configuration. Never fails; `findUnknownTools` says what names no tool. */
export function createLimitPlan(config: LimitsConfig): LimitPlan {
  return new ConfiguredPlan(config);
}

/**
 * Says which entries of `limits.per_tool` name a tool that isn't there, since a limit on a misspelt name limits nothing.
 * `tools` are the catalog's ids (`manual.tool`).
 */
export function findUnknownTools(config: LimitsConfig, tools: Iterable<string>): readonly Finding[] {
  const known = new Set(tools);
  return Object.keys(config.per_tool)
    .filter((tool) => !known.has(tool))
    .map((tool) => ({
      rule: 'limit-unknown-tool',
      severity: 'error',
      pointer: toPointer('limits', 'per_tool', tool),
      message: `No loaded manual has a tool ${JSON.stringify(tool)}.`,
      mend: 'Name the tool as manual.tool, as `gatehouse manual` lists it, or take the entry out.',
    }));
}

interface CallerPlan {
  readonly discovery: LimitSet;
  readonly base: LimitSet;
  readonly byTool: Map<string, LimitSet>;
}

class ConfiguredPlan implements LimitPlan {
  readonly #config: LimitsConfig;
  readonly #ruled: ReadonlyMap<string, RateConfig>;
  readonly #callers = new Map<string, CallerPlan>();

  constructor(config: LimitsConfig) {
    this.#config = config;
    this.#ruled = new Map(Object.entries(config.per_tool));
  }

  forDiscovery(caller: string): LimitSet {
    return this.#of(caller).discovery;
  }

  forCall(caller: string, tool: string): LimitSet {
    const plan = this.#of(caller);
    const rate = this.#ruled.get(tool);
    if (!rate) return plan.base;
    let set = plan.byTool.get(tool);
    if (!set) {
      set = toSet([...plan.base.limits, ...toLimits(rate, 'tool_', `tool ${tool}`, caller)]);
      plan.byTool.set(tool, set);
    }
    return set;
  }

  forAddress(address: string): LimitSet {
    const subject = toAddressKey(address);
    return toSet(toLimits(this.#config.auth_failures_per_address, 'auth_failures_', 'address', subject));
  }

  forClaimedCaller(caller: string): LimitSet {
    return toSet(toLimits(this.#config.auth_failures_per_caller, 'auth_failures_', 'claimed', caller));
  }

  #of(caller: string): CallerPlan {
    let plan = this.#callers.get(caller);
    if (!plan) {
      if (this.#callers.size >= maxCachedCallers) this.#callers.clear();
      const rate = this.#config.per_caller;
      plan = {
        discovery: toSet(toLimits(rate, 'discovery_', 'discovery', caller)),
        base: toSet(toLimits(rate, '', 'caller', caller)),
        byTool: new Map(),
      };
      this.#callers.set(caller, plan);
    }
    return plan;
  }
}

function toLimits(rate: RateConfig, prefix: string, kind: string, subject: string): Limit[] {
  return windows.flatMap(({ name, window_ms }) => {
    const limit = rate[name];
    // The subject stands last: it alone may hold a space, so no two keys can meet.
    return limit ? [{ key: `${kind} ${name} ${subject}`, subject, name: `${prefix}${name}`, limit, window_ms }] : [];
  });
}

function toSet(limits: readonly Limit[]): LimitSet {
  return { limits, policy: renderPolicy(limits) };
}
