import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createKey, revokeKeys } from '../../src/auth/keys-edit.js';
import type { KeysFile } from '../../src/auth/keys-file.js';
import { KeysWatch } from '../../src/auth/keys-watch.js';
import { LoadError } from '../../src/core/index.js';
import { useScratch } from '../support/scratch.js';

const scratch = useScratch();
let watch: KeysWatch | undefined;
afterEach(() => watch?.close());

function start(file: string) {
  const seen: KeysFile[] = [];
  const problems: string[] = [];
  watch = new KeysWatch({
    file,
    on_change: (content) => seen.push(content),
    on_problem: (problem) => problems.push(problem.findings[0]?.rule ?? ''),
  });
  watch.start();
  return { seen, problems };
}
const revoking = (jti: string) => `revoked: { jtis: [${jti}] }\n...\n`;
const soon = { timeout: 5000, interval: 20 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('watching the keys file', () => {
  it.each([
    ['written in place', (file: string) => writeFileSync(file, revoking('two'))],
    [
      'replaced by a rename',
      (file: string) => {
        writeFileSync(`${file}.new`, revoking('two'));
        renameSync(`${file}.new`, file);
      },
    ],
  ])('sees a file that is %s', async (_name, change) => {
    const file = scratch('keys.yaml');
    writeFileSync(file, revoking('one'));
    const { seen } = start(file);
    expect(watch?.content.revoked.jtis).toEqual(['one']);
    change(file);
    await expect.poll(() => seen.at(-1)?.revoked.jtis, soon).toEqual(['two']);
    await pause(600);
    expect(seen.length).toBe(1);
  });

  it('sees a link that is turned, as container platforms do with mounted secrets', async () => {
    const [one, two, file] = ['one', 'two', 'keys.yaml'].map((name) => scratch(name));
    if (!one || !two || !file) expect.unreachable();
    for (const version of [one, two]) {
      mkdirSync(version);
      writeFileSync(`${version}/keys.yaml`, revoking(version === one ? 'one' : 'two'));
    }
    symlinkSync(one, scratch('data'));
    symlinkSync(scratch('data/keys.yaml'), file);
    const { seen } = start(file);
    symlinkSync(two, scratch('data-next'));
    renameSync(scratch('data-next'), scratch('data'));
    await expect.poll(() => seen.at(-1)?.revoked.jtis, soon).toEqual(['two']);
  });

  it('fails the start when the file is missing', () => {
    expect(() => start(scratch('keys.yaml'))).toThrow(LoadError);
  });

  it('fails the start when the file is cut off', () => {
    writeFileSync(scratch('keys.yaml'), 'callers: {}\n');
    expect(() => start(scratch('keys.yaml'))).toThrow(LoadError);
  });

  it.each<[string, (file: string) => void, string]>([
    ['missing', (file) => rmSync(file), 'keys-file-unreadable'],
    ['half-written', (file) => writeFileSync(file, 'revoked: { jtis: [one, tw'), 'keys-file-unusable'],
    ['no YAML', (file) => writeFileSync(file, '{{{\n...\n'), 'keys-file-unusable'],
    [
      'unreadable',
      (file) => {
        unlinkSync(file);
        mkdirSync(file);
      },
      'keys-file-unreadable',
    ],
  ])(
    'keeps what the file said last while it is %s, says so once, and takes it up again',
    async (_name, spoil, rule) => {
      const file = scratch('keys.yaml');
      writeFileSync(file, revoking('one'));
      const { seen, problems } = start(file);
      spoil(file);
      await expect.poll(() => problems, soon).toEqual([rule]);
      await pause(600);
      expect(problems).toEqual([rule]);
      expect(seen.length).toBe(0);
      rmSync(file, { recursive: true, force: true });
      writeFileSync(file, revoking('two'));
      chmodSync(file, 0o600);
      await expect.poll(() => seen.at(-1)?.revoked.jtis, soon).toEqual(['two']);
    },
  );

  it('sees every edit of `gatehouse keys`', async () => {
    const file = scratch('keys.yaml');
    const { sha256 } = createKey(file, 'alice');
    const { seen } = start(file);
    revokeKeys(file, { caller: 'alice' });
    await expect.poll(() => seen.at(-1)?.revoked.keys, soon).toEqual([sha256]);
  });
});
