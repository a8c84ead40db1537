import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { securityLogSchema } from '../../src/events/config.js';
import { createEventSink } from '../../src/events/emit.js';
import type { SecurityEvent } from '../../src/events/event.js';
import { makeFolder } from '../support/scratch.js';

const refusal: SecurityEvent = { event: 'auth.failure', outcome: 'failure', reason: 'unknown_key' };

function open(settings: Record<string, unknown>) {
  const problems: string[] = [];
  const config = securityLogSchema.parse(settings);
  const sink = createEventSink({ config, report: (problem) => problems.push(problem), now: () => 0 });
  return { sink, problems };
}

function readEvents(file: string): { readonly [name: string]: unknown }[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line));
}

describe('the security log in a file', () => {
  it('writes one line an event, in order, to a file that its owner alone may read', async () => {
    const file = join(makeFolder(), 'var/log/security.log');
    const { sink } = open({ file });
    for (let count = 0; count < 1000; count++) sink.emit({ ...refusal, caller: `caller-${count}` });
    await sink.flush();
    expect(readEvents(file).map(({ caller }) => caller)).toEqual(
      Array.from({ length: 1000 }, (_, count) => `caller-${count}`),
    );
    expect(readEvents(file)[0]).toMatchObject({ time: '1970-01-01T00:00:00.000Z', event: 'auth.failure' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await sink.close();
  });

  it('writes within the flush interval without being asked', async () => {
    const file = join(makeFolder(), 'security.log');
    const { sink } = open({ file, flush_interval_ms: 20 });
    sink.emit(refusal);
    expect(readFileSync(file, 'utf8')).toBe('');
    await expect.poll(() => readFileSync(file, 'utf8')).toContain('unknown_key');
    await sink.close();
  });

  it('appends to what an earlier run has written', async () => {
    const file = join(makeFolder(), 'security.log');
    for (let run = 0; run < 3; run++) {
      const { sink } = open({ file });
      sink.emit(refusal);
      await sink.close();
    }
    expect(readEvents(file)).toHaveLength(3);
  });

  it('rotates by size, keeps so many files and loses no line between them', async () => {
    const file = join(makeFolder(), 'security.log');
    const { sink } = open({ file, max_file_bytes: 65_536, max_files: 3 });
    for (let count = 0; count < 2500; count++) {
      sink.emit({ ...refusal, caller: `caller-${count}` });
      if (count % 100 === 0) await sink.flush();
    }
    await sink.close();
    const kept = [`${file}.3`, `${file}.2`, `${file}.1`, file].flatMap(readEvents).map(({ caller }) => caller);
    expect(kept.at(-1)).toBe('caller-2499');
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => `caller-${2500 - kept.length + index}`));
    expect(statSync(`${file}.1`).size).toBeLessThan(65_536 + 20_000);
    expect(() => statSync(`${file}.4`)).toThrow('ENOENT');
  });

  it('goes on in the full file when it cannot be rotated, and says so', async () => {
    const file = join(makeFolder(), 'security.log');
    // A directory where the rotated file would go.
    mkdirSync(`${file}.1/kept`, { recursive: true });
    const { sink, problems } = open({ file, max_file_bytes: 65_536, max_files: 1 });
    for (let count = 0; count < 2000; count++) sink.emit(refusal);
    await sink.close();
    expect(readEvents(file)).toHaveLength(2000);
    expect(new Set(problems)).toEqual(new Set(['The security log cannot be rotated (ERR_FS_EISDIR) and grows on.']));
  });

  it('fails the start with what to mend when the file cannot be opened', () => {
    const file = join(makeFolder(), 'directory');
    open({ file: join(file, 'security.log') });
    expect(() => open({ file })).toThrow(/cannot be opened \(EISDIR\).*Name a file/);
  });
});

describe('a security log whose disk is full', () => {
  it('goes on serving, keeps events in memory up to its bound, counts and reports what is lost', async () => {
    const { sink, problems } = open({ file: '/dev/full', flush_interval_ms: 1, max_buffered_bytes: 65_536 });
    for (let count = 0; count < 2000; count++) sink.emit(refusal);
    await sink.flush();
    expect(sink.accepting).toBe(true);
    expect(sink.state().status).toBe('failing');
    expect(sink.state().lost).toBeGreaterThan(1000);
    for (let count = 0; count < 100; count++) await sink.flush();
    expect(problems).toEqual([
      'The security log cannot be written (ENOSPC): events wait in memory.',
      'The security log takes no more events: they are lost until it does.',
    ]);
    await sink.close();
  });

  it('refuses requests from the first failed write on when on_failure says refuse', async () => {
    const { sink } = open({ file: '/dev/full', on_failure: 'refuse' });
    expect(sink.accepting).toBe(true);
    sink.emit(refusal);
    await sink.flush();
    expect(sink.accepting).toBe(false);
    expect(sink.state()).toEqual({ status: 'failing', lost: 0 });
    await sink.close();
  });

  it('holds up neither the end of the process nor a close', async () => {
    const { sink } = open({ file: '/dev/full' });
    sink.emit(refusal);
    const start = performance.now();
    await sink.close();
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
