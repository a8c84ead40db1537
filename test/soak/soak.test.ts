import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { buildSources } from '../support/build.js';
import { describeWithProgram } from '../support/requirement.js';
import { traffic } from './load.js';
import { describeOutcomes, describeSample, describeVerdicts } from './report.js';
import { judgeGrowth } from './sample.js';
import { startSoakServer } from './server.js';
import { runSoak } from './soak.js';

const minutes = Number(process.env.SOAK_MINUTES ?? 3);
const minute_ms = 60_000;

describeWithProgram('bwrap', 'a server under mixed load', () => {
  describeWithProgram('redis-server', 'on Redis', () => {
    it('grows neither in memory, nor in descriptors, timers or processes', {
      timeout: minutes * minute_ms + 2 * minute_ms,
    }, async () => {
      const server = await startSoakServer(buildSources());
      const result = await runSoak(server, {
        minutes,
        rate: 100,
        samples: Math.max(18, minutes * 2),
        onSample: (sample) => process.stderr.write(`${describeSample(sample)}\n`),
      });
      const code = await server.close();
      const verdicts = judgeGrowth(result.samples);
      const report = `${describeVerdicts(verdicts)}\n\n${describeOutcomes(result)}\n`;
      mkdirSync('var', { recursive: true });
      writeFileSync('var/soak.md', report);
      process.stderr.write(`${report}\n`);
      expect(verdicts.filter(({ growth, tolerance }) => growth > tolerance)).toEqual([]);
      for (const { name, ends } of traffic) {
        const counts = result.outcomes.get(name) ?? new Map<string, number>();
        const sum = [...counts.values()].reduce((total, count) => total + count, 0);
        expect([name, (counts.get(ends) ?? 0) / sum > 0.5]).toEqual([name, true]);
      }
      expect(code).toBe(0);
    });
  });
});
