// Fillers, zero-width and joining characters, bidirectional controls, variation selectors beyond those of emoji, tags,
// private use, and control characters other than line breaks and tabs.
const invisibleRanges = [
  ...['\\u00AD', '\\u034F', '\\u061C', '\\u115F\\u1160', '\\u17B4\\u17B5', '\\u180B-\\u180F', '\\u200B-\\u200F'],
  ...['\\u202A-\\u202E', '\\u2060-\\u206F', '\\u3164', '\\uFE00-\\uFE0D', '\\uFEFF', '\\uFFA0', '\\uFFF9-\\uFFFB'],
  ...['\\u{1D173}-\\u{1D17A}', '\\u{E0000}-\\u{E0FFF}', '\\p{Co}', '\\0-\\x08', '\\x0b\\x0c\\x0e-\\x1f', '\\x7f-\\x9f'],
];
const invisible = new RegExp(`[${invisibleRanges.join('')}]`, 'gu');

// Joiners are letters' business in these scripts, and hold emoji together.
const joining = [
  ...['Arabic', 'Devanagari', 'Bengali', 'Malayalam', 'Sinhala'].map((script) => `\\p{Script=${script}}`),
  '\\p{Extended_Pictographic}',
];
const joined = new RegExp(
  `(?<=${[...joining, '\\uFE0F', '[\\u{1F3FB}-\\u{1F3FF}]'].join('|')})[\\u200C\\u200D](?=${joining.join('|')})`,
  'gu',
);

const plainAscii = /^[\t\n\r\x20-\x7e]*$/;

/** The first character of a text that nobody sees, as its code point; undefined when there is none. */
export function findInvisible(text: string): string | undefined {
  if (plainAscii.test(text)) return undefined;
  const [found] = text.replace(joined, '').match(invisible) ?? [];
  const code = found?.codePointAt(0);
  return code === undefined ? undefined : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The text without the characters that nobody sees. */
export function removeInvisible(text: string): string {
  if (plainAscii.test(text)) return text;
  const kept = text.split(joined);
  const joints = text.match(joined) ?? [];
  return kept.map((part, index) => part.replace(invisible, '') + (joints[index] ?? '')).join('');
}

/** Says whether a word has both Latin letters and look-alikes of another script. */
export function hasMixedScript(text: string): boolean {
  if (plainAscii.test(text)) return false;
  return (text.match(/[\p{L}\p{M}]+/gu) ?? []).some(
    (word) =>
      /\p{Script=Latin}/u.test(word) &&
      /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u.test(word) &&
      !/^[μµΩπ]/u.test(word),
  );
}

/** How a text hides something from a person who reads it rendered; undefined when it does not. */
export function findHidden(text: string): string | undefined {
  if (/<!--/.test(text)) return 'holds a comment that is not rendered';
  if (/\[[^\]]*\]:\s*#\s*[("']/.test(text)) return 'holds a Markdown comment that is not rendered';
  if (/<[^>]+(?:display\s*:\s*none|font-size\s*:\s*0|visibility\s*:\s*hidden)/i.test(text))
    return 'holds hidden markup';
  if (/(?:\n\s*){25,}\S/.test(text) || /[ \t]{200,}\S/.test(text)) return 'hides its end behind blank space';
  if (/[A-Za-z0-9+/]{160,}={0,2}/.test(text)) return 'holds a long encoded run';
  return undefined;
}

/** A link in a text. */
export interface FoundLink {
  readonly what: string;
  /** Whether following or rendering it runs code or leaks by itself. */
  readonly active: boolean;
  /** The text without it, where it is an image whose words say the same. */
  readonly without?: string;
}

const markdownImage = /!\[([^\]]*)\]\([^)]*\)/g;

/** A link in a text; undefined when there is none. */
export function findLink(text: string): FoundLink | undefined {
  if (/!\[[^\]]*\]\(|<img\b/i.test(text)) {
    const without = text.replace(markdownImage, '$1');
    return { what: 'an image, which is fetched when it is shown', active: true, ...(without !== text && { without }) };
  }
  const scheme = /\b(javascript|vbscript|file|data):(?=\S*[/,(])/i.exec(text)?.[1];
  if (scheme !== undefined) return { what: `a ${scheme.toLowerCase()}: link`, active: true };
  const host = /\b(?:https?|wss?|ftp):\/\/([\w.-]+)/i.exec(text)?.[1];
  return host === undefined ? undefined : { what: `a link to ${host}`, active: false };
}
