import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyRing, type KeyRingOptions } from '../../src/auth/key-ring.js';
import { LoadError } from '../../src/core/index.js';

const rotation = 100_000;
const lifetime = 30_000;
const start = 1_700_000_000_000;
let now = start;
let made: string[] = [];
let problems: string[] = [];
let dir: string;
let file: string;

const open = (more: Partial<KeyRingOptions> = {}) =>
  new KeyRing({
    algorithm: 'ES256',
    rotation_ms: rotation,
    lifetime_ms: lifetime,
    now: () => now,
    on_new_key: (kid) => made.push(kid),
    on_problem: (problem) => problems.push(problem),
    ...more,
  });
const published = (ring: KeyRing) => ring.publish().keys.map((key) => key.kid);

beforeEach(() => {
  now = start;
  made = [];
  problems = [];
  dir = mkdtempSync(join(tmpdir(), 'gatehouse-'));
  file = join(dir, 'issuer-keys.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the signing keys', () => {
  it('rotate without a gap: the next key is published a rotation before it signs, the last one until its tokens end', () => {
    const ring = open();
    const first = ring.current().kid;
    const [, next] = published(ring);
    expect(published(ring)).toEqual([first, next]);

    now = start + rotation - 1;
    expect(ring.current().kid).toBe(first);
    now = start + rotation + 1000;
    expect(ring.current().kid).toBe(next);
    expect(published(ring)).toEqual([first, next, made[0]]);
    expect(ring.find(first, 'ES256')).toHaveProperty('key');

    now = start + rotation + lifetime + 1000;
    expect(published(ring)).toEqual([next, made[0]]);
    expect(ring.find(first, 'ES256')).toEqual({ refused: 'token_key_unknown' });
  });

  it('find a key by id and algorithm together', () => {
    const ring = open();
    expect(ring.find(ring.current().kid, 'EdDSA')).toEqual({ refused: 'token_key_unknown' });
    expect(ring.find(undefined, 'ES256')).toEqual({ refused: 'token_key_unknown' });
  });

  it('are shared by replicas with one key file, from the very start', () => {
    const one = open({ key_file: file });
    const two = open({ key_file: file });
    expect(two.current().kid).toBe(one.current().kid);
    expect(published(two)).toEqual(published(one));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('rotate on replicas without a lock: a token of either is good on both, all along', () => {
    const rings = [open({ key_file: file }), open({ key_file: file }), open({ key_file: file })];
    for (let step = 0; step < 60; step++) {
      now += rotation / 7;
      const kids = rings.map((ring) => ring.current().kid);
      expect(new Set(kids).size).toBe(1);
      for (const ring of rings) for (const kid of kids) expect(ring.find(kid, 'ES256')).toHaveProperty('key');
    }
    expect(published(rings[0] ?? open()).length).toBeLessThanOrEqual(3);
    expect(readdirSync(dir)).toEqual(['issuer-keys.json']);
  });

  it('outlive a restart with a key file', () => {
    const before = open({ key_file: file }).current().kid;
    expect(open({ key_file: file }).find(before, 'ES256')).toHaveProperty('key');
  });

  it('go on with the keys at hand when the key file becomes unreadable, and say so once', () => {
    const ring = open({ key_file: file });
    const { kid } = ring.current();
    rmSync(file);
    for (let second = 0; second < 3; second++) {
      now += 1001;
      expect(ring.current().kid).toBe(kid);
    }
    expect(problems).toEqual(['key_file_unreadable']);
  });

  it('go on with the keys at hand when the key file is half-written', () => {
    const ring = open({ key_file: file });
    const { kid } = ring.current();
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100));
    now += 1001;
    expect(ring.current().kid).toBe(kid);
    expect(problems).toEqual(['key_file_unreadable']);
  });

  it('sign with the old key rather than with one that other replicas cannot see', () => {
    const ring = open({ key_file: file });
    const [first, next] = published(ring);
    rmSync(dir, { recursive: true });
    now = start + rotation + 1000;
    expect(ring.current().kid).toBe(next);
    expect(published(ring)).toEqual([first, next]);
    now += rotation * 3;
    expect(ring.current().kid).toBe(next);
    expect(problems).toContain('key_file_unwritable');
    expect(made).toEqual([]);
  });

  it.each([
    ['half-written', () => writeFileSync(file, '{"keys":[', { mode: 0o600 })],
    ['empty of keys', () => writeFileSync(file, '{"keys":[]}', { mode: 0o600 })],
    ['in a directory that is not there', () => rmSync(dir, { recursive: true })],
    [
      'open to everybody',
      () => {
        open({ key_file: file });
        chmodSync(file, 0o644);
      },
    ],
  ])('fail the start when the key file is %s', (_name, spoil) => {
    spoil();
    expect(() => open({ key_file: file })).toThrow(LoadError);
  });

  it('never show a private part in the error of a broken key file', () => {
    open({ key_file: file });
    const stored: { keys: { d: string; x: string }[] } = JSON.parse(readFileSync(file, 'utf8'));
    const secrets = stored.keys.map((key) => key.d);
    writeFileSync(file, JSON.stringify({ keys: stored.keys.map((key) => ({ ...key, x: 'AAAA' })) }));
    try {
      open({ key_file: file });
      expect.unreachable();
    } catch (error) {
      for (const secret of secrets) expect(String(error)).not.toContain(secret);
    }
  });
});
