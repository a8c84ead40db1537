import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { SecureVariableLoader, type VariableSettings } from '../../src/variables/index.js';
import { writeFiles } from '../support/certificates.js';

const allowed_prefixes = ['UTCP_', 'API_'];
const folders: ReturnType<typeof writeFiles>[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove();
});

function folder(files: Readonly<Record<string, string>>): string {
  const made = writeFiles(files);
  folders.push(made);
  return made.dir;
}

function loader(settings: Partial<VariableSettings>, environment: Record<string, string> = {}): SecureVariableLoader {
  return new SecureVariableLoader({ allowed_prefixes, ...settings }, environment);
}

describe('SecureVariableLoader', () => {
  it('loads only names with an allowed prefix', () => {
    const source = loader({}, { UTCP_A: 'a', API_B: 'b', PATH: '/bin', XUTCP_C: 'c' });
    expect([source.load('UTCP_A'), source.load('API_B')]).toEqual(['a', 'b']);
    for (const name of ['PATH', 'XUTCP_C', 'utcp_a', '', 'UTCP_A B', 'UTCP_A\n', '../UTCP_A']) {
      expect(source.has(name), name).toBe(false);
      expect(() => source.load(name), name).toThrow(/is not allowed/);
    }
  });

  it('reads no inherited property, whatever the prefixes are', () => {
    const source = loader({ allowed_prefixes: ['c', '_', 't'] });
    for (const name of ['constructor', '__proto__', 'toString']) expect(source.has(name)).toBe(false);
  });

  it('takes the environment before the secrets directory before the dotenv file', () => {
    const dir = folder({ API_A: 'file', API_B: 'file', '.env': 'API_A=dot\nAPI_B=dot\nAPI_C="dot"\nPATH=x\n' });
    const source = loader({ secrets_dir: dir, dotenv_file: join(dir, '.env') }, { API_A: 'environment' });
    expect(['API_A', 'API_B', 'API_C'].map((name) => source.load(name))).toEqual(['environment', 'file', 'dot']);
    expect(source.has('PATH')).toBe(false);
  });

  it('takes an empty value for none, so that a secret nobody set fails the load', () => {
    expect(() => loader({}, { API_A: '' }).load('API_A')).toThrow(/API_A is not set or is empty/);
    expect(loader({ secrets_dir: folder({ API_A: 'file' }) }, { API_A: '' }).load('API_A')).toBe('file');
  });

  it('takes one line end off a secrets file and nothing else', () => {
    const source = loader({ secrets_dir: folder({ API_A: ' a \n', API_B: 'b\r\n', API_C: 'c\n\n' }) });
    expect(['API_A', 'API_B', 'API_C'].map((name) => source.load(name))).toEqual([' a ', 'b', 'c\n']);
  });

  it('reads no file of the secrets directory whose name is not allowed', () => {
    const dir = folder({ API_A: 'a' });
    mkdirSync(join(dir, '..data'));
    symlinkSync('/nonexistent', join(dir, 'OTHER'));
    expect(loader({ secrets_dir: dir }).load('API_A')).toBe('a');
  });

  it('fails at once when a configured file or directory cannot be read', () => {
    const dir = folder({ API_BAD: '\u0000' });
    symlinkSync('/nonexistent', join(dir, 'API_A'));
    expect(() => loader({ secrets_dir: dir })).toThrow(LoadError);
    expect(() => loader({ secrets_dir: join(dir, 'absent') })).toThrow(/secrets directory/);
    expect(() => loader({ dotenv_file: join(dir, 'absent') })).toThrow(/dotenv file/);
  });

  it('names the variable and never its value', () => {
    const source = loader({ max_length: 5 }, { API_LONG: 'canary-value' });
    expect(() => source.load('API_LONG')).toThrow(/API_LONG is longer than 5/);
    expect(() => source.load('API_LONG')).not.toThrow(/canary/);
    expect(() => source.load('API_NONE')).toThrow(/API_NONE is not set/);
  });

  it('refuses values beyond 10,000 characters unless the configuration says otherwise', () => {
    const environment = { API_FITS: 'x'.repeat(10_000), API_LONG: 'x'.repeat(10_001) };
    expect(loader({}, environment).load('API_FITS')).toHaveLength(10_000);
    expect(() => loader({}, environment).load('API_LONG')).toThrow(LoadError);
    expect(loader({ max_length: 20_000 }, environment).load('API_LONG')).toHaveLength(10_001);
  });
});
