import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** How every secret that Gatehouse makes begins, so that scanners recognise a leaked one. */
export const secretPrefix = 'gh_';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const randomLength = 40;
const form = /^gh_[0-9A-Za-z]{40}_[0-9A-Za-z]{6}$/;

/**
 * Makes a secret: `gh_`, 40 random letters and digits (238 bits), `_`, and a CRC-32 of what stands before it in six
 * letters and digits. The checksum tells a scanner a real secret from text that looks like one; it protects nothing.
 */
export function createSecret(): string {
  const random = Array.from({ length: randomLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  const body = `${secretPrefix}${random}`;
  return `${body}_${checksum(body)}`;
}

/** Whether a text is a whole secret of ours, mistyped nowhere. Says nothing of whether it is anybody's. */
export function checkSecretForm(text: string): boolean {
  return form.test(text) && text.slice(-6) === checksum(text.slice(0, -7));
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  while (digits.length < 6) {
    digits = `${alphabet[rest % alphabet.length]}${digits}`;
    rest = Math.floor(rest / alphabet.length);
  }
  return digits;
}
