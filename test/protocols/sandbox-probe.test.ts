import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { requireBubblewrap, requireLimitProgram } from '../../src/protocols/sandbox-probe.js';
import { place } from '../support/sandbox.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-probe-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function installBubblewrap(version: string): string {
  const place = mkdtempSync(join(folder, 'installed-'));
  writeFileSync(join(place, 'bwrap'), `#!/bin/sh\necho bubblewrap ${version}\n`);
  chmodSync(join(place, 'bwrap'), 0o755);
  return place;
}

describe('a required sandbox', () => {
  it('fails the load where bubblewrap is missing, and says how to install it', () => {
    expect(() => requireBubblewrap(place, [join(folder, 'empty')])).toThrow(LoadError);
    expect(() => requireBubblewrap(place, [join(folder, 'empty')])).toThrow(/apt-get install bubblewrap/);
  });

  it('fails the load where a program of its limits is missing, and says how to install it', () => {
    expect(() => requireLimitProgram('prlimit', place, [folder])).toThrow(/apt-get install util-linux/);
    expect(() => requireLimitProgram('timeout', place, [folder])).toThrow(/apt-get install coreutils/);
  });

  it.each(['0.4.1', '0.7.0'])('fails the load for bubblewrap %s, which cannot hold what is promised', (version) => {
    const installed = installBubblewrap(version);
    expect(() => requireBubblewrap(place, [installed])).toThrow(/older than 0.8/);
  });

  it.each(['0.8.0', '0.11.1', '1.0.0'])('takes bubblewrap %s', (version) => {
    const installed = installBubblewrap(version);
    expect(requireBubblewrap(place, [installed])).toBe(join(installed, 'bwrap'));
  });
});
