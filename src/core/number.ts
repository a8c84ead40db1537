/**
 * Whether a JSON text holds a number that a JavaScript number would silently change: an integer with more digits than
 * it has, or a number so large or small that it becomes infinite or nothing. `text` must be valid JSON. Decimals are
 * not judged, for a rounded last digit is what RFC 8259 section 6 tells every sender to expect.
 */
export function holdsInexactNumber(text: string): boolean {
  // Sixteen digits or an exponent are what it takes; hardly any text has them, and no other is looked through.
  if (!/\d{16}|\d[eE]/.test(text)) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = findStringEnd(text, index);
    else if (isNumberStart(code)) {
      number.lastIndex = index;
      const literal = number.exec(text)?.[0] ?? '';
      if (!isExactNumber(literal)) return true;
      index += literal.length - 1;
    }
  }
  return false;
}

const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Whether a number as JSON writes it keeps its value as a JavaScript number; see `holdsInexactNumber`. */
export function isExactNumber(literal: string): boolean {
  const value = Number(literal);
  if (!Number.isFinite(value)) return false;
  if (value === 0) return !/[1-9]/.test(literal.split(/[eE]/, 1)[0] ?? '');
  // Longer ones are inexact beyond any doubt, and turning them into a BigInt takes quadratic time.
  if (literal.length <= 15 || /[.eE]/.test(literal)) return true;
  // What JavaScript writes again as it stood is passed on as it stood, though the double may lie beside it.
  return String(value) === literal || (literal.length <= 400 && BigInt(literal) === BigInt(value));
}

function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

function findStringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
