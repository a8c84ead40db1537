import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scenarios } from '../chaos/scenarios.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/failure-modes.md'), 'utf8');
const [section = ''] = page.split('\n## In turn, under load\n')[1]?.split('\n## ') ?? [];

it('the table of what fails in turn has the scenarios that are run, in their order, each with its rule', () => {
  const rows = [...section.matchAll(/^\| (?!what |-)(.+?) +\| (.+?) +\|/gm)].map(([, name, rule]) => [name, rule]);
  expect(rows).toEqual(scenarios.map(({ name, rule }) => [name, rule]));
});
