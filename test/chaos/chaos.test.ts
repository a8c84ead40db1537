import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildSources } from '../support/build.js';
import { runCommand } from '../support/io.js';
import { describeWithProgram } from '../support/requirement.js';
import { flushInterval_ms, meteredCallers, meteredLimit } from './config.js';
import { countDeclaredLost, findInvented, reconcile } from './ledger.js';
import { type Metered, maxInFlight } from './load.js';
import { describeChaos, type ScenarioResult } from './report.js';
import { type ChaosRig, startChaosRig } from './rig.js';
import { type Scenario, scenarios } from './scenarios.js';

/** How long each fault lasts. */
const hold_ms = Number(process.env.CHAOS_SECONDS ?? 1.5) * 1000;
/** What a killed process may have been late with its flush, on a machine that is busy. */
const lateness_ms = 150;
/** Of a long list of faults, enough to see what they are. */
const shown = 5;

describeWithProgram('nginx', 'two replicas under load', () => {
  describeWithProgram('redis-server', 'on one Redis', () => {
    describeWithProgram('nsenter', 'with a disk that can be filled', () => {
      let rig: ChaosRig;
      const results: ScenarioResult[] = [];
      beforeAll(async () => {
        rig = await startChaosRig(buildSources());
      });
      afterAll(async () => {
        const table = describeChaos(results);
        mkdirSync('var', { recursive: true });
        writeFileSync('var/chaos.md', `${table}\n`);
        process.stderr.write(`${table}\n`);
        await rig?.close();
      });

      /** Runs one scenario amid load; gives what was asked and what came of it. */
      async function play(scenario: Scenario) {
        const from = rig.load.entries.length;
        const caller = meteredCallers[scenarios.indexOf(scenario)] ?? '';
        rig.load.start();
        await sleep(700);
        let metered: Promise<Metered> | undefined;
        const kills = await scenario.run(rig, async () => {
          metered = rig.load.meter(caller, 10 * meteredLimit);
          await Promise.all([sleep(hold_ms), metered]);
        });
        const after = await rig.load.meter(meteredCallers.at(-1 - scenarios.indexOf(scenario)) ?? '', 2 * meteredLimit);
        await sleep(500);
        await rig.load.stop();
        await sleep(3 * flushInterval_ms);
        return { entries: rig.load.entries.slice(from), metered: await metered, after, kills };
      }

      it.each(scenarios)(
        '$name: no event is lost beyond the rule, nothing wrong is allowed, limits hold',
        {
          timeout: hold_ms + 60_000,
        },
        async (scenario) => {
          const { entries, metered, after, kills } = await play(scenario);
          const found = reconcile(entries, rig.pair.logs, rig.seen(), kills, flushInterval_ms + lateness_ms);
          results.push({ scenario, entries, admitted: metered?.admitted ?? 0, found });
          expect(found.lost.slice(0, shown)).toEqual([]);
          expect(found.wrong_events.slice(0, shown)).toEqual([]);
          expect(found.wrong_allows.slice(0, shown)).toEqual([]);
          const failed = entries.filter(
            ({ status = 0, tool }) => status >= 500 && (scenario.spared?.includes(tool) ?? true),
          );
          expect(failed.slice(0, shown)).toEqual([]);
          expectMetered(metered, scenario.most);
          // Whatever happened: now that it is mended, replicas hold one limit again.
          expectMetered(after);
          const cutOff = entries.filter(({ request_id }) => request_id === undefined).length;
          expect(cutOff).toBeLessThanOrEqual(scenario.cuts_off ? maxInFlight : 0);
        },
      );

      it('afterwards both end well, and their logs hold no event that nobody caused and a chain that verifies', async () => {
        expect(await Promise.all(rig.pair.replicas.map((replica) => replica.stop()))).toEqual([0, 0]);
        const { logs } = rig.pair;
        expect(findInvented(rig.load.entries, logs).slice(0, shown)).toEqual([]);
        expect(countDeclaredLost(logs)).toBe(0);
        for (const log of logs) {
          const { code, out, err } = await runCommand(['audit', 'verify', log, '--public-key', rig.log_key, '--json']);
          expect([code, err]).toEqual([0, '']);
          // A kill may leave an unfinished line, which the next run puts down as what it is.
          expect(JSON.parse(out).findings.filter((one: { rule: string }) => one.rule !== 'audit-torn-line')).toEqual(
            [],
          );
        }
      });

      /** Exactly the limit, but for calls of which nobody knows whether they were counted. */
      function expectMetered(metered: Metered | undefined, most = meteredLimit): void {
        expect(metered?.admitted).toBeLessThanOrEqual(most);
        expect((metered?.admitted ?? 0) + (metered?.unanswered ?? 0)).toBeGreaterThanOrEqual(meteredLimit);
      }
    });
  });
});
