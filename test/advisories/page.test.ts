import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/advisories.md'), 'utf8');
const sections = page.split(/^## /m).slice(1);

describe('docs/advisories.md', () => {
  it.each([
    ...['CVE-2026-44661', 'GHSA-39j6-4867-gg4w', 'GHSA-9qhg-99ww-9mqc', 'GHSA-8cp3-qxj6-px34', 'GHSA-ppx3-28rw-8fpf'],
    ...['CVE-2026-45369', 'GHSA-5v57-8rxj-3p2r', 'CVE-2025-14542', 'GHSA-r8j5-8747-88cm'],
  ])('has a section for %s, whose test is named after it', (advisory) => {
    const section = sections.find((text) => text.split('\n', 1)[0]?.includes(advisory));
    const file = /^Test: `(.+)`$/m.exec(section ?? '')?.[1];
    expect(file).toBeDefined();
    const titles = [...readFileSync(join(root, file ?? ''), 'utf8').matchAll(/(?:describe|it)\([`'"](.+)[`'"]/g)];
    expect(titles.some(([, title]) => title?.includes(advisory))).toBe(true);
  });
});
