import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** A test that a page names: its file, from the repository's root, and its title as the file writes it. */
export interface Citation {
  readonly file: string;
  readonly title: string;
}

/** The tests that a text cites as (test/…: “title”). */
export function readCitations(text: string): readonly Citation[] {
  const cited = [...text.replace(/\s+/g, ' ').matchAll(/\((test\/[\w/.-]+\.ts): “([^”]+)”\)/g)];
  return cited.map(([, file = '', title = '']) => ({ file, title }));
}

/** What a title of several cases may begin with, which a page leaves out. */
const leads = ['', '%s ', '%s: ', '%s, ', '$name: '];

/** Whether a file has a test or a group of tests of this title: a text that an argument list goes on behind. */
export function isCarried({ file, title }: Citation): boolean {
  if (!existsSync(join(root, file))) return false;
  const source = readFileSync(join(root, file), 'utf8');
  const spellings = [title, title.replaceAll("'", "\\'")].flatMap((text) => leads.map((lead) => `${lead}${text}`));
  return spellings.some((text) => ["'", '"', '`'].some((quote) => source.includes(`${quote}${text}${quote},`)));
}
