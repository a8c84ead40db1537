import { BlockList, isIP } from 'node:net';
import { Environment } from '@marcbachmann/cel-js';
import { type Arguments, LoadError, type Principal } from '../core/index.js';

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
    .registerFunction('in_network(string, string): bool', inNetwork);
  if (names.includes('args')) environment.registerVariable('args', 'map<string, dyn>');
  if (names.includes('now')) environment.registerVariable('now', 'google.protobuf.Timestamp');
  if (names.includes('address')) environment.registerVariable('address', 'string');
  return environment;
}

const full = createEnvironment('args', 'now', 'address');
const withoutArguments = createEnvironment('now', 'address');
const callerAlone = createEnvironment('args');

/** Compiles a CEL expression (cel.dev) that must give a bool. Throws LoadError at `pointer`. */
export function compileCondition(source: string, pointer: string): Condition {
  const evaluate = parseCondition(source, pointer);
  return {
    source,
    reads_arguments: !withoutArguments.check(source).valid,
    varies: !callerAlone.check(source).valid,
    holds(principal, context) {
      try {
        return evaluate(conditionVariables(principal, context)) === true;
      } catch {
        // Fail closed: a claim that is missing or of another type must not open a door.
        return false;
      }
    },
  };
}

function parseCondition(source: string, pointer: string): ReturnType<Environment['parse']> {
  let problem: string | undefined;
  try {
    const evaluate = full.parse(source);
    const checked = evaluate.check();
    if (checked.valid && (checked.type === 'bool' || checked.type === 'dyn')) return evaluate;
    problem = checked.valid ? `gives ${checked.type}, not bool` : checked.error?.message;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  throw LoadError.of({
    rule: 'condition-invalid',
    pointer,
    message: `The condition cannot be used: ${problem?.split('\n')[0] ?? 'unknown'}.`,
    mend: 'Write a CEL expression over caller, claims, now, address and args that gives true or false.',
  });
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
