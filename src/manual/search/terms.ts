/** Longest list of terms that one search works on. */
const maxQueryTerms = 16;

// Words of tasks and descriptions that tell no tool from another.
const stopWords = new Set(
  'a an and any are as at be by can do for from has have how i if in into is it its me my of on or our please so that the their then this to use was we which will with you your'.split(
    ' ',
  ),
);

/**
 * The words of a text as they are indexed and searched for: names are taken apart (`create_book`, `createBook`), case and
 * accents do not matter, and neither does an English plural.
 */
export function toTerms(text: string): readonly string[] {
  const words = text
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  return (words ?? []).filter((word) => !stopWords.has(word)).map(singular);
}

/** The words of a query, each once. */
export function toQueryTerms(text: string): readonly string[] {
  return [...new Set(toTerms(text))].slice(0, maxQueryTerms);
}

function singular(word: string): string {
  if (word.length < 4 || !word.endsWith('s') || /(ss|us|is)$/.test(word)) return word;
  if (word.endsWith('ies') && word.length > 4) return `${word.slice(0, -3)}y`;
  return /(xes|ches|shes|sses|zes)$/.test(word) ? word.slice(0, -2) : word.slice(0, -1);
}
