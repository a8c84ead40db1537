import { isIP } from 'node:net';

/**
 * Whether a text is an address or a network in CIDR form, such as `10.0.0.0/8`. A network of everyone (`/0`) is none: who
 * trusts all senders trusts what any of them says.
 */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}
