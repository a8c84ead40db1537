import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { anomalyKinds } from '../../src/limits/anomaly-config.js';
import { buildSources } from '../support/build.js';

const reportSchema = z.object({
  quiet: z.object({ caller_days: z.number(), findings: z.record(z.string(), z.number()) }),
  attacks: z.record(z.string(), z.object({ found: z.number() })),
});
let report: z.infer<typeof reportSchema>;

beforeAll(() => {
  const script = join(import.meta.dirname, '../../bench/anomaly.js');
  const env = { ...process.env, GATEHOUSE_BUILD: buildSources() };
  const { stdout } = spawnSync(process.execPath, [script, '--quick', '--json'], { env, encoding: 'utf8' });
  report = reportSchema.parse(JSON.parse(stdout));
}, 120_000);

describe('the anomaly detector on generated traffic (docs/anomalies.md)', () => {
  it('finds next to nothing in ordinary traffic', () => {
    expect(Object.keys(report.quiet.findings).sort()).toEqual([...anomalyKinds].sort());
    for (const [kind, count] of Object.entries(report.quiet.findings)) {
      expect(`${kind} ${count / report.quiet.caller_days <= 0.05}`).toBe(`${kind} true`);
    }
  });

  it('finds most of each attack while it lasts', () => {
    expect(Object.keys(report.attacks)).toHaveLength(10);
    for (const [name, { found }] of Object.entries(report.attacks))
      expect(`${name} ${found >= 0.6}`).toBe(`${name} true`);
  });
});
