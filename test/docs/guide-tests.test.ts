import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Citation, readCitations } from '../support/citation.js';
import { missingSharedData, sharedData, skipSharedData } from '../support/shared-data.js';

const root = join(import.meta.dirname, '../..');

interface Line {
  readonly section: string;
  readonly text: string;
  readonly citations: readonly Citation[];
}

const lines = readLines(readFileSync(join(root, 'docs/guide-tests.md'), 'utf8'));

/** The lines of the page: each begins with a hyphen, its citations indented below. */
function readLines(page: string): readonly Line[] {
  return page.split(/^#+ /m).flatMap((part) => {
    const [section = '', ...rest] = part.split('\n');
    const items = rest.join('\n').split(/^- /m).slice(1);
    return items.map((item) => {
      const [text = ''] = item.split('\n');
      return { section, text, citations: readCitations(item) };
    });
  });
}

describe('docs/guide-tests.md', () => {
  it.each(lines.map((line) => [`${line.section}: ${line.text}`, line] as const))(
    'cites a test for: %s',
    (_name, { citations }) => {
      expect(citations.length).toBeGreaterThan(0);
    },
  );
});

describe.skipIf(skipSharedData)(`docs/guide-tests.md beside the guide (${missingSharedData})`, () => {
  const read = (name: string) => readFileSync(join(dirname(sharedData ?? ''), name), 'utf8');

  it('has every line of its lists, in its words, under its headings', () => {
    const parts = read('security-guide.md').split(/^#+ /m);
    const asked = parts.flatMap((part) =>
      [...part.matchAll(/^- (?:✅|\[ \]) (.+)$/gm)].map(([, text]) => ({ section: part.split('\n')[0], text })),
    );
    expect(asked.length).toBeGreaterThan(50);
    expect(
      asked.filter(({ section, text }) => !lines.some((line) => line.section === section && line.text === text)),
    ).toEqual([]);
  });

  it('has a line for every section that says something', () => {
    const [, ...parts] = read('security-guide.md').split(/^#{2,4} /m);
    const saying = parts.filter((part) => /\n[^\n#:]/.test(part.replace(/\n```[\s\S]*?\n```/g, '\nexample')));
    const named = saying.map((part) => part.split('\n')[0] ?? '');
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !lines.some(({ section }) => section === name))).toEqual([]);
  });

  it('has a line for everything that the official clients need', () => {
    const parts = read('utcp-interop.md').split(/^## /m);
    for (const section of ['A manual, as served', 'The endpoints', 'The form to publish for a routed tool']) {
      const part = parts.find((candidate) => candidate.startsWith(section)) ?? '';
      const asked = [...part.matchAll(/^(?:\d+\.|-) /gm)].length;
      expect(asked).toBeGreaterThan(0);
      expect(lines.filter((line) => line.section === section).length, section).toBeGreaterThanOrEqual(asked);
    }
    const advisories = new Set(read('utcp-interop.md').match(/\b(?:CVE-[\d-]+|GHSA(?:-\w{4}){3})\b/g));
    expect([...advisories].filter((advisory) => !lines.some(({ text }) => text.includes(advisory)))).toEqual([]);
  });
});
