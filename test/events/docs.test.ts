import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { authFailureReasons } from '../../src/auth/credential.js';
import { configSchema } from '../../src/config/schema.js';
import { errorKinds } from '../../src/core/errors.js';
import { eventNames } from '../../src/events/event.js';
import { anomalyKinds } from '../../src/limits/anomaly-config.js';
import { limitsSchema } from '../../src/limits/config.js';
import { createLimitPlan } from '../../src/limits/plan.js';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/events.md'), 'utf8');
const documented = new Set([...page.matchAll(/`([a-z_0-9]+)`/g)].map(([, code]) => code ?? ''));

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(root, 'src', file), 'utf8'));

/** The codes in every `reason: 'a' | 'b'` of the sources, and in every type whose name ends in Reason or Problem. */
function findReasons(source: string): readonly string[] {
  const values = source.matchAll(/\breason\??: ((?:\| )?'[a-z_0-9]+'(?:\s*\| '[a-z_0-9]+')*)/g);
  const types = source.matchAll(/\btype \w*(?:Reason|Problem) =([^;]+);/g);
  return [...values, ...types].flatMap(([, codes = '']) =>
    [...codes.matchAll(/'([a-z_0-9]+)'/g)].map(([, code]) => code ?? ''),
  );
}

/** Reasons of paths are written without what all of them begin with. */
const pathReasons = ['outside', 'extension', 'not_a_file', 'swapped', 'characters'];

describe('docs/events.md', () => {
  it.each(eventNames)('has a section for %s', (event) => {
    expect(page).toContain(`\n### \`${event}\`\n`);
  });

  it('has no section for an event that there is not', () => {
    const sections = [...page.matchAll(/^### `([a-z.]+)`$/gm)].map(([, event]) => event);
    expect(sections).toEqual([...eventNames]);
  });

  it('explains every reason that the sources name', () => {
    const everyLimit = { per_minute: 1, per_hour: 1 };
    const config = { per_caller: everyLimit, per_tool: { t: everyLimit }, auth_failures_per_address: everyLimit };
    const plan = createLimitPlan(limitsSchema.parse(config));
    const limits = [...plan.forCall('c', 't').limits, ...plan.forAddress('a').limits].map(({ name }) => name);
    const named = sources.flatMap(findReasons).map((code) => (pathReasons.includes(code) ? `path_${code}` : code));
    const reasons = new Set([...named, ...authFailureReasons, ...Object.keys(errorKinds), ...anomalyKinds, ...limits]);
    expect([...reasons].filter((reason) => !documented.has(reason)).sort()).toEqual([]);
    expect(reasons.size).toBeGreaterThan(100);
  });
});

describe('the examples of the docs', () => {
  it.each(['limits', 'anomalies', 'events', 'audit', 'observability'])('load: docs/%s.md', (name) => {
    const text = readFileSync(join(root, `docs/${name}.md`), 'utf8');
    const [, example = ''] = /```yaml\n(# gatehouse\.yaml\n[\s\S]*?)```/.exec(text) ?? [];
    expect(Object.keys(configSchema.parse(parse(example)))).toContain('security_log');
  });

  it('list every finding of the audit, and every kind of anomaly', () => {
    const audit = readFileSync(join(root, 'docs/audit.md'), 'utf8');
    const rules = new Set(
      sources.flatMap((source) => [...source.matchAll(/'(audit-[a-z-]+)'/g)].map(([, rule]) => rule)),
    );
    expect([...rules].filter((rule) => !audit.includes(`\`${rule}\``))).toEqual([]);
    const anomalies = readFileSync(join(root, 'docs/anomalies.md'), 'utf8');
    expect(anomalyKinds.filter((kind) => !anomalies.includes(`| \`${kind}\` `))).toEqual([]);
  });

  it('map every event to OCSF, in one row, and every field that a line may hold', () => {
    const [, mapping = ''] = readFileSync(join(root, 'docs/audit.md'), 'utf8').split('## OCSF');
    const rows = mapping.split('\n').filter((line) => /^\| `\w+\.\w+`/.test(line));
    const events = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([a-z.]+)`/g)].map(([, name]) => name),
    );
    expect(events.toSorted()).toEqual([...eventNames].toSorted());
    expect(rows.filter((row) => !/\(\d{4}\) +\| \d/.test(row))).toEqual([]);
    const writer = readFileSync(join(root, 'src/events/line.ts'), 'utf8');
    const chain = readFileSync(join(root, 'src/events/chain.ts'), 'utf8');
    const written = `${writer}${chain}`.matchAll(/,?"([a-z_0-9]+)":|\b(?:text|number|json)\('(\w+)'/g);
    const fields = new Set([...written].map(([, member, detail]) => member ?? detail ?? ''));
    expect(fields.size).toBeGreaterThan(35);
    expect([...fields].filter((field) => !mapping.includes(`\`${field}\``))).toEqual([]);
  });
});
