import { isIPv6 } from 'node:net';

/**
 * What an address is counted as: an IPv4 address as itself (mapped into IPv6 too), an IPv6 address as its /64, since that
 * much is one subscriber's to choose from (RFC 6177), so that a budget can't be had anew with every address of it.
 * Anything else is counted together as `unknown`.
 */
export function toAddressKey(address: string): string {
  const bare = address.split('%', 1)[0] ?? '';
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare);
  if (mapped?.[1]) return mapped[1];
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(bare)) return bare;
  if (!isIPv6(bare)) return 'unknown';
  const [left = '', right] = bare.toLowerCase().split('::');
  const before = left === '' ? [] : left.split(':');
  const after = right ? right.split(':') : [];
  const gap = right === undefined ? 0 : 8 - before.length - hextets(after);
  const groups = [...before, ...new Array<string>(gap).fill('0'), ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** A dotted quad at the end stands for two groups (RFC 4291 section 2.2). */
function hextets(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes('.') ? 1 : 0);
}
