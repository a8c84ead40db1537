import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixedSections } from '../../src/server/load-refusal.js';
import { isCarried, readCitations } from '../support/citation.js';

const docs = join(import.meta.dirname, '../../docs');
const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
const read = (page: string) => readFileSync(join(docs, page), 'utf8');
const citing = pages.filter((page) => readCitations(read(page)).length > 0);

describe('the tests that pages cite', () => {
  it.each(citing)('are there: docs/%s', (page) => {
    expect(readCitations(read(page)).filter((citation) => !isCarried(citation))).toEqual([]);
  });

  it('are cited where it is said what holds', () => {
    expect(citing).toEqual(expect.arrayContaining(['failure-modes.md', 'guide-tests.md']));
  });

  it('are told from those that there are not', () => {
    const file = 'test/docs/citations.test.ts';
    expect(isCarried({ file, title: 'are told from those that there are not' })).toBe(true);
    expect(isCarried({ file, title: 'no such title' })).toBe(false);
    expect(isCarried({ file: 'test/docs/no-such-file.test.ts', title: 'are there: docs/%s' })).toBe(false);
  });
});

it.each(['architecture.md', 'configuration.md', 'lifecycle.md'])(
  'docs/%s names what is read at the start alone',
  (page) => {
    const names = fixedSections.map((section) => `\`${section}\``);
    const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are read at the start`;
    expect(read(page).replace(/\s+/g, ' ')).toContain(list);
  },
);

it('docs/README.md leads to every page but those of the lint rules, which have an index of their own', () => {
  const own = pages.filter((page) => page !== 'README.md' && !/^lint\/(?!README)/.test(page));
  expect(own.filter((page) => !read('README.md').includes(`](${page})`))).toEqual([]);
});
