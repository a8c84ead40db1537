import { readFileSync } from 'node:fs';

/** What a caller's permissions say of a tool. */
export type Permission = 'callable' | 'visible' | 'hidden' | 'stranger';

/** One request as the callers saw it. */
export interface Entry {
  /** Went along as an argument; of a call, unique. */
  readonly id: string;
  readonly caller: string;
  readonly tool: string;
  /** What held while it was under way: two, where the policy changed meanwhile. */
  permissions: ReadonlySet<Permission>;
  readonly sent_ms: number;
  done_ms: number;
  /** Undefined while, and if, nothing answered. */
  status: number | undefined;
  /** Undefined when it was not Gatehouse that answered. */
  request_id: string | undefined;
  /** The port of the replica that answered. */
  replica: number | undefined;
}

/** A line of a security log, as far as this matters. */
interface LoggedEvent {
  readonly time: string;
  readonly event: string;
  readonly outcome: string;
  readonly caller?: string;
  readonly tool?: string;
  readonly request_id?: string;
  readonly arguments?: { readonly id?: string };
  readonly lost?: number;
}

/** A `kill -9`. */
export interface Kill {
  readonly replica: number;
  readonly at_ms: number;
}

/** What the callers, the upstreams and the logs say together. */
export interface Reconciliation {
  /** Requests that were answered, or reached an upstream, and left no event. */
  readonly lost: readonly string[];
  /** Of those that a kill explains: how long before it they ended, in milliseconds, and what was asked. */
  readonly killed: readonly { readonly before_kill_ms: number; readonly what: string }[];
  /** Events that are there twice, or say something else than the answer did. */
  readonly wrong_events: readonly string[];
  /** Answers, or calls that reached an upstream, which the caller's permissions do not cover. */
  readonly wrong_allows: readonly string[];
}

/** Further events that one request may leave beside its own. */
const companions = new Set(['auth.success', 'anomaly.detected', 'caller.blocked']);

/**
 * Holds every request against the logs of all replicas and against what the upstreams saw.
 * `unflushed_ms`: how long an event may have been in memory when its process was killed.
 */
export function reconcile(
  entries: readonly Entry[],
  logs: readonly string[],
  seen: ReadonlyMap<string, number>,
  kills: readonly Kill[],
  unflushed_ms: number,
): Reconciliation {
  const events = logs.flatMap(readEvents);
  const byRequest = groupBy(events, ({ event, request_id }) => (companions.has(event) ? undefined : request_id));
  const byArgument = groupBy(events, (event) => (event.event === 'tool.call' ? event.arguments?.id : undefined));
  const lost: string[] = [];
  const killed: { before_kill_ms: number; what: string }[] = [];
  const wrong_events: string[] = [];
  const wrong_allows: string[] = [];
  for (const entry of entries) {
    const { request_id, status } = entry;
    const found = request_id === undefined ? (byArgument.get(entry.id) ?? []) : (byRequest.get(request_id) ?? []);
    const reached = seen.get(entry.id) ?? 0;
    const what = describeEntry(entry);
    if (found.length === 0 && (request_id !== undefined || reached > 0)) {
      const kill = kills.find((one) => explains(one, entry, unflushed_ms));
      if (kill) killed.push({ before_kill_ms: Math.round(kill.at_ms - entry.done_ms), what });
      else lost.push(what);
    }
    if (found.length > 1) wrong_events.push(`${what}: ${found.length} events`);
    if (status !== undefined && request_id !== undefined && found[0] && !agrees(found[0], entry, status)) {
      wrong_events.push(`${what}: ${JSON.stringify(found[0])}`);
    }
    if (!entry.permissions.has('callable') && (reached > 0 || (status !== undefined && status < 400))) {
      wrong_allows.push(what);
    }
    if (status !== undefined && !isAllowed(entry.permissions, status)) wrong_allows.push(what);
  }
  return { lost, killed, wrong_events, wrong_allows };
}

/** Events of requests that nobody made; the callers' own unanswered ones excepted. */
export function findInvented(entries: readonly Entry[], logs: readonly string[]): readonly string[] {
  const answered = new Set(entries.map(({ request_id }) => request_id));
  const unanswered = entries.filter(({ request_id }) => request_id === undefined);
  const left = groupBy(unanswered, ({ caller, tool }) => `${caller} ${tool}`);
  return logs
    .flatMap(readEvents)
    .filter(({ event, request_id }) => request_id !== undefined && !companions.has(event) && !answered.has(request_id))
    .filter(({ caller, tool }) => left.get(`${caller} ${tool ?? 'manual'}`)?.pop() === undefined)
    .map((event) => JSON.stringify(event));
}

/** How many events the logs themselves call lost. */
export function countDeclaredLost(logs: readonly string[]): number {
  return logs.flatMap(readEvents).reduce((sum, { event, lost = 0 }) => (event === 'log.lost' ? sum + lost : sum), 0);
}

/** Names of the events that no request made, in order. */
export function listEventNames(log: string): readonly string[] {
  return readEvents(log).flatMap(({ event, request_id }) => (request_id === undefined ? [event] : []));
}

function readEvents(log: string): readonly LoggedEvent[] {
  return readFileSync(log, 'latin1').split('\n').flatMap(parseLine);
}

// What a kill left of a line is no event; `gatehouse audit verify` looks at it.
function parseLine(line: string): readonly LoggedEvent[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

function explains(kill: Kill, entry: Entry, unflushed_ms: number): boolean {
  const isThere = entry.replica === undefined || entry.replica === kill.replica;
  return isThere && entry.sent_ms <= kill.at_ms && entry.done_ms >= kill.at_ms - unflushed_ms;
}

function agrees({ event, outcome, caller, tool }: LoggedEvent, entry: Entry, status: number): boolean {
  const isManual = entry.tool === 'manual';
  if (status === 401) return event === 'auth.failure';
  const usual = isManual ? 'manual.served' : 'tool.call';
  // A replica that is ending refuses ahead of asking who calls.
  if (status === 503 && caller === undefined) return event === usual && outcome === 'failure';
  if (caller !== entry.caller || (!isManual && tool !== entry.tool)) return false;
  if (status < 400) return event === usual && outcome === 'success';
  if (status === 403 || status === 404) return event === 'tool.denied' && outcome === 'denied';
  if (status === 429) return event === 'limit.exceeded' && outcome === 'denied';
  return event === usual && outcome === 'failure';
}

/** Whether an answer is one that the permission allows; what is out of order (5xx) gives nothing away. */
function isAllowed(permissions: ReadonlySet<Permission>, status: number): boolean {
  if (status >= 500) return true;
  return [...permissions].some((permission) => {
    if (permission === 'callable') return status < 400 || status === 429;
    if (permission === 'visible') return status === 403;
    return status === (permission === 'hidden' ? 404 : 401);
  });
}

function describeEntry({ caller, tool, id, status, request_id, replica }: Entry): string {
  return `${caller} ${tool} ${id}: ${status ?? 'no answer'} from ${replica ?? 'nobody'} (${request_id ?? 'no request id'})`;
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string | undefined): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
