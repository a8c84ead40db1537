import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type AnomalyDetector, createAnomalyDetector, type Observation } from '../../src/limits/anomaly.js';
import { anomaliesSchema } from '../../src/limits/anomaly-config.js';

const start_ms = 1_700_000_000_000;
const usual: Observation = {
  at_ms: start_ms,
  caller: 'alice',
  credential: 'digest',
  address: '203.0.113.9',
  tool: 'books.list',
  unknown_tool: undefined,
  refused: false,
  request_bytes: 100,
  response_bytes: 2000,
};

function open(settings: Record<string, unknown> = {}): AnomalyDetector {
  return createAnomalyDetector(anomaliesSchema.parse(settings));
}

/** So many requests, so far apart; gives the findings and the time after them. */
function run(
  detector: AnomalyDetector,
  from_ms: number,
  requests: number,
  gap_ms: number,
  change: Partial<Observation> = {},
) {
  const findings = Array.from({ length: requests }, (_, index) =>
    detector.observe({ ...usual, ...change, at_ms: from_ms + index * gap_ms }),
  ).flat();
  return { findings, after_ms: from_ms + requests * gap_ms };
}

/** A detector that has known alice for two hours, one request every two seconds. */
function openLearned(settings: Record<string, unknown> = {}) {
  const detector = open(settings);
  const { findings, after_ms } = run(detector, start_ms, 3600, 2000);
  expect(findings).toEqual([]);
  return { detector, after_ms };
}

describe('the anomaly detector', () => {
  it('finds a rate far above the caller’s own, once in its quiet time, with what shows it', () => {
    const { detector, after_ms } = openLearned();
    const { findings } = run(detector, after_ms, 300, 50);
    expect(findings).toEqual([
      {
        kind: 'rate_spike',
        severity: 'warning',
        caller: 'alice',
        tool: 'books.list',
        address: '203.0.113.9',
        evidence: { requests: 31, within_s: 10, usual: 5, deviation: 0, threshold: 30 },
      },
    ]);
    expect(run(detector, after_ms + 900_000, 300, 50).findings).toHaveLength(1);
  });

  it('finds nothing in the same rate of a caller whose habit it is', () => {
    const detector = open();
    expect(run(detector, start_ms, 100_000, 50).findings).toEqual([]);
  });

  it('lets a caller come back from a night at its usual rate', () => {
    const detector = open();
    const { after_ms } = run(detector, start_ms, 20_000, 250);
    expect(run(detector, after_ms + 12 * 3_600_000, 2000, 250).findings).toEqual([]);
  });

  it('finds the first use of a tool by a caller whose habits are known, and of none before', () => {
    const { detector, after_ms } = openLearned();
    const [finding] = run(detector, after_ms, 2, 2000, { tool: 'books.delete_all' }).findings;
    expect(finding).toMatchObject({
      kind: 'first_use',
      severity: 'info',
      tool: 'books.delete_all',
      evidence: { requests_before: 3600, known_for_s: 7200 },
    });
    expect(run(detector, after_ms + 10_000, 5, 2000, { tool: 'books.delete_all' }).findings).toEqual([]);
    expect(run(open(), start_ms, 5, 2000, { tool: 'books.delete_all' }).findings).toEqual([]);
  });

  it('finds a burst of refusals, of a caller', () => {
    const { detector, after_ms } = openLearned();
    const { findings } = run(detector, after_ms, 60, 500, { refused: true, response_bytes: 0 });
    expect(findings).toMatchObject([{ kind: 'refusal_burst', caller: 'alice', evidence: { within_s: 60, usual: 0 } }]);
  });

  it('finds a burst of refusals, of an address that nobody is known for', () => {
    const stranger = { caller: undefined, credential: undefined, tool: undefined, refused: true };
    const { findings } = run(open(), start_ms, 60, 500, stranger);
    expect(findings).toMatchObject([{ kind: 'refusal_burst', caller: undefined, address: '203.0.113.9' }]);
  });

  it('finds no burst in the mistakes that a caller always makes', () => {
    const detector = open();
    const steady = Array.from({ length: 7200 }, (_, index) =>
      detector.observe({ ...usual, at_ms: start_ms + index * 1000, refused: index % 5 === 0 }),
    );
    expect(steady.flat()).toEqual([]);
  });

  it('finds a sweep over unknown tools, whoever the caller is and however slowly it goes, with examples', () => {
    const detector = open();
    const findings = Array.from({ length: 20 }, (_, index) =>
      detector.observe({
        ...usual,
        at_ms: start_ms + index * 180_000,
        tool: undefined,
        unknown_tool: `admin.guess_${index}`,
        refused: true,
      }),
    ).flat();
    expect(findings[0]).toMatchObject({ kind: 'unknown_tool_sweep', severity: 'error', evidence: { within_s: 3600 } });
    expect(findings[0]?.evidence.examples).toContain('admin.guess_0');
  });

  it('finds no sweep in a stale name that is asked for again and again', () => {
    const stale = { tool: undefined, unknown_tool: 'books.renamed', refused: true };
    expect(run(open(), start_ms, 500, 10_000, stale).findings).toEqual([]);
  });

  it.each(['request_bytes', 'response_bytes'])('finds an unusual size (%s) for caller and tool', (field) => {
    const { detector, after_ms } = openLearned();
    const [finding] = run(detector, after_ms, 1, 2000, { [field]: 5_000_000 }).findings;
    const direction = field.replace('_bytes', '');
    expect(finding).toMatchObject({ kind: 'payload_size', evidence: { direction, bytes: 5_000_000, samples: 3600 } });
    expect(
      run(detector, after_ms + 10_000, 1, 2000, { tool: 'books.other', [field]: 5_000_000 }).findings,
    ).toMatchObject([{ kind: 'first_use' }]);
  });

  it('finds a credential that is used from too many addresses, an IPv6 subscriber’s network being one', () => {
    const detector = open();
    const from = (index: number, address: string) =>
      detector.observe({ ...usual, at_ms: start_ms + index * 1000, address });
    const network = Array.from({ length: 50 }, (_, index) => from(index, `2001:db8:0:1::${index}`)).flat();
    expect(network).toEqual([]);
    const spread = Array.from({ length: 20 }, (_, index) => from(100 + index, `198.51.100.${index}`)).flat();
    expect(spread).toMatchObject([{ kind: 'address_spread', severity: 'error', evidence: { addresses: 9 } }]);
  });

  it('forgets addresses after an hour', () => {
    const detector = open();
    const findings = Array.from({ length: 50 }, (_, index) =>
      detector.observe({ ...usual, at_ms: start_ms + index * 600_000, address: `198.51.100.${index}` }),
    ).flat();
    expect(findings).toEqual([]);
  });

  it('finds nothing when it is switched off', () => {
    const { findings } = run(open({ enabled: false }), start_ms, 500, 1, { refused: true });
    expect(findings).toEqual([]);
  });

  it('holds no more than it may, whatever the number of callers, credentials, addresses and tools', () => {
    const detector = open({ max_profiles: 100 });
    for (let index = 0; index < 20_000; index++) {
      const name = String(index);
      detector.observe({ ...usual, at_ms: start_ms + index, caller: name, credential: name, tool: name });
      detector.observe({
        ...usual,
        at_ms: start_ms + index,
        caller: undefined,
        address: `10.0.${index >> 8}.${index & 255}`,
        refused: true,
      });
    }
    expect(detector.size).toBeLessThanOrEqual(100 * 7);
  });

  it('takes bounded memory in bytes, not only in profiles', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc');
    const detector = open({ max_profiles: 1000 });
    const fill = (from: number) => {
      for (let index = from; index < from + 30_000; index++) {
        const name = `caller-${index}`;
        detector.observe({
          ...usual,
          at_ms: start_ms + index,
          caller: name,
          credential: name,
          unknown_tool: `${name}${'x'.repeat(5000)}`,
        });
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    fill(0);
    const before = fill(30_000);
    expect(fill(60_000) - before).toBeLessThan(1_000_000);
  });

  it('keeps a busy caller while many others come and go', () => {
    const { detector, after_ms } = openLearned({ max_profiles: 50 });
    for (let index = 0; index < 2000; index++) {
      detector.observe({ ...usual, at_ms: after_ms + index, caller: `other-${index}`, credential: undefined });
      if (index % 20 === 0) detector.observe({ ...usual, at_ms: after_ms + index });
    }
    const [finding] = run(detector, after_ms + 30_000, 1, 0, { tool: 'books.never' }).findings;
    expect(finding).toMatchObject({ kind: 'first_use', caller: 'alice' });
  });
});

describe('the configuration of anomalies', () => {
  it('refuses an action webhook without a webhook, and a webhook that would go out unguarded', () => {
    const hook = { url: 'http://hooks.example/x', secret_variable: 'UTCP_HOOK' };
    expect(() => anomaliesSchema.parse({ actions: { rate_spike: ['webhook'] } })).toThrow(/no webhook is configured/);
    expect(() => anomaliesSchema.parse({ webhook: hook })).toThrow(/must be https/);
    expect(() => anomaliesSchema.parse({ actions: { spike: ['log'] } })).toThrow();
    expect(anomaliesSchema.parse({ webhook: { ...hook, url: 'http://127.0.0.1:9/x' } }).webhook?.max_tries).toBe(6);
  });
});
