import { renderTable } from '../support/table.js';
import type { Entry, Reconciliation } from './ledger.js';
import type { Scenario } from './scenarios.js';

/** What came of one scenario of the chaos run. */
export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly entries: readonly Entry[];
  /** Of ten times the limit, how much the metered caller got. */
  readonly admitted: number;
  readonly found: Reconciliation;
}

export function describeChaos(results: readonly ScenarioResult[]): string {
  const head = [
    'what fails',
    'requests',
    'answered',
    'refused',
    'failed',
    'cut off',
    'lost events',
    'wrong allows',
    'admitted of 300',
  ];
  const rows = results.map(({ scenario, entries, admitted, found }) => {
    const count = (test: (status: number) => boolean) =>
      String(entries.filter(({ status, request_id }) => request_id !== undefined && test(status ?? 0)).length);
    const cutOff = entries.filter(({ request_id }) => request_id === undefined).length;
    return [
      scenario.name,
      String(entries.length),
      count((status) => status < 400),
      count((status) => status >= 400 && status < 500),
      count((status) => status >= 500),
      String(cutOff),
      describeLost(found),
      String(found.wrong_allows.length),
      String(admitted),
    ];
  });
  return renderTable([head, ...rows]);
}

function describeLost({ lost, killed }: Reconciliation): string {
  const earliest = Math.max(0, ...killed.map(({ before_kill_ms }) => before_kill_ms));
  if (killed.length === 0) return String(lost.length);
  return `${lost.length} + ${killed.length} of the last ${earliest} ms`;
}
