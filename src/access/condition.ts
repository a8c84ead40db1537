import { BlockList, isIP } from 'node:net';
import { Environment } from '@marcbachmann/cel-js';
import { type Arguments, LoadError, type Principal } from '../core/index.js';
import { type ConditionCost, isAffordable, maxDepth, measureCost } from './condition-cost.js';
import { hasForeignPattern, linearMatch, matchLinearly, useLinearPatterns } from './condition-pattern.js';

/** What a condition may look at besides the principal. */
export interface AccessContext {
  /** Epoch milliseconds. */
  readonly now_ms: number;
  /** The caller's address, after trusted proxies. */
  readonly address: string;
  /** The validated arguments; absent before there are any (the manual, and a call's first look). */
  readonly args?: Arguments | undefined;
}

/** A CEL condition, parsed and type-checked. */
export interface Condition {
  readonly source: string;
  /** Reads `args`: it can't be decided before a call, so it never hides a tool. */
  readonly reads_arguments: boolean;
  /** Reads `now` or `address`: its answer may change from one request to the next. */
  readonly varies: boolean;
  /** Whether it holds. An evaluation error, or anything but `true`, is `false`: it denies. */
  holds(principal: Principal, context: AccessContext): boolean;
}

function createEnvironment(...names: readonly ('args' | 'now' | 'address')[]): Environment {
  const environment = new Environment()
    .registerVariable('caller', {
      schema: {
        id: 'string',
        source: 'string',
        roles: 'list<string>',
        scopes: 'list<string>',
        claims: 'map<string, dyn>',
      },
    })
    .registerVariable('claims', 'map<string, dyn>')
    .registerFunction('in_network(string, string): bool', inNetwork)
    .registerFunction(`string.${linearMatch}(string): bool`, matchLinearly);
  if (names.includes('args')) environment.registerVariable('args', 'map<string, dyn>');
  if (names.includes('now')) environment.registerVariable('now', 'google.protobuf.Timestamp');
  if (names.includes('address')) environment.registerVariable('address', 'string');
  return environment;
}

const full = createEnvironment('args', 'now', 'address');
const withoutArguments = createEnvironment('now', 'address');
const callerAlone = createEnvironment('args');

/**
 * Compiles a CEL expression (cel.dev) that must give a bool. Whatever a caller sends, it is evaluated in a time that is
 * bounded: patterns run in linear time, and one that goes over its data for each item of it denies what is too much.
 * Throws LoadError at `pointer`.
 */
export function compileCondition(source: string, pointer: string): Condition {
  const { evaluate, cost, text } = parseCondition(source, pointer);
  return {
    source,
    reads_arguments: !withoutArguments.check(text).valid,
    varies: !callerAlone.check(text).valid,
    holds(principal, context) {
      try {
        if (!isAffordable(cost, [context.args, principal.claims])) return false;
        return evaluate(conditionVariables(principal, context)) === true;
      } catch {
        // Fail closed: a claim that is missing or of another type must not open a door.
        return false;
      }
    },
  };
}

interface ParsedCondition {
  readonly evaluate: ReturnType<Environment['parse']>;
  readonly cost: ConditionCost;
  /** What is evaluated: the source with its patterns made linear. */
  readonly text: string;
}

function parseCondition(source: string, pointer: string): ParsedCondition {
  const parsed = tryParse(source);
  if (typeof parsed !== 'string') return parsed;
  throw LoadError.of({
    rule: 'condition-invalid',
    pointer,
    message: `The condition cannot be used: ${parsed.split('\n')[0] ?? 'unknown'}.`,
    mend: 'Write a CEL expression over caller, claims, now, address and args that gives true or false.',
  });
}

/** The condition, or what is wrong with it. */
function tryParse(source: string): ParsedCondition | string {
  try {
    const rewritten = useLinearPatterns(source, full.parse(source).ast);
    if ('problem' in rewritten) return rewritten.problem;
    const evaluate = full.parse(rewritten.source);
    if (hasForeignPattern(evaluate.ast)) return 'a comment stands between a matches and its pattern';
    const cost = measureCost(evaluate.ast);
    if (cost.depth > maxDepth) return `its loops go over the data more than ${maxDepth} deep`;
    const { valid, type, error } = evaluate.check();
    if (!valid) return error?.message ?? 'it does not fit its types';
    if (type !== 'bool' && type !== 'dyn') return `it gives ${type}, not bool`;
    return { evaluate, cost, text: rewritten.source };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function conditionVariables(principal: Principal, context: AccessContext): Record<string, unknown> {
  return {
    caller: {
      id: principal.id,
      source: principal.source,
      roles: principal.roles,
      scopes: principal.scopes ?? [],
      claims: principal.claims,
    },
    claims: principal.claims,
    now: new Date(context.now_ms),
    address: context.address,
    args: context.args ?? {},
  };
}

const networks = new Map<string, BlockList>();

function inNetwork(address: string, network: string): boolean {
  let list = networks.get(network);
  if (!list) {
    list = new BlockList();
    const [base = '', bits = ''] = network.split('/');
    list.addSubnet(base, Number(bits), isIP(base) === 6 ? 'ipv6' : 'ipv4');
    // The expressions are the operator's own, but a network computed from claims must not grow this without end.
    if (networks.size < 1000) networks.set(network, list);
  }
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
