import { BlockList, isIP } from 'node:net';

/**
 * What an address is for the URL guard:
 * - `public`: globally reachable unicast; anyone may be an upstream there.
 * - `private`: loopback, private-use, shared and unique-local ranges; a host that the configuration names may stand there.
 * - `special`: link-local and cloud metadata, multicast, unspecified, documentation, reserved, and every IPv6 range that
 *   carries an IPv4 address inside; only a URL whose host is that very address, named so, may go there.
 */
export type AddressClass = 'public' | 'private' | 'special';

type Family = 'ipv4' | 'ipv6';
type Range = readonly [network: string, prefix: number];

function toBlockList(family: Family, ranges: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family);
  return list;
}

// RFC 1122, 1918 and 6598.
const privateIpv4 = toBlockList('ipv4', [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
]);

// The IANA special-purpose registry (RFC 6890), multicast and class E, and the metadata services that clouds keep at
// addresses outside the link-local range.
const specialIpv4 = toBlockList('ipv4', [
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]);

// RFC 4193, 3879 and the loopback address.
const privateIpv6 = toBlockList('ipv6', [
  ['::1', 128],
  ['fc00::', 7],
]);

// Only 2000::/3 is global unicast (RFC 4291 section 2.4), so what is mapped, NAT64 or link-local is special by default.
const globalIpv6 = toBlockList('ipv6', [['2000::', 3]]);

// Inside 2000::/3: protocol assignments with Teredo, documentation and 6to4; outside: metadata in unique-local space.
const specialIpv6 = toBlockList('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
]);

/** Classifies an IPv4 or IPv6 address in any textual form of `net.isIP`; what is no address is `special`. */
export function classifyAddress(address: string): AddressClass {
  const zone = address.indexOf('%');
  const bare = zone < 0 ? address : address.slice(0, zone);
  const family = isIP(bare);
  if (family === 4) return classifyIpv4(bare);
  if (family === 6) return classifyIpv6(bare);
  return 'special';
}

function classifyIpv4(address: string): AddressClass {
  if (specialIpv4.check(address, 'ipv4')) return 'special';
  return privateIpv4.check(address, 'ipv4') ? 'private' : 'public';
}

function classifyIpv6(address: string): AddressClass {
  if (specialIpv6.check(address, 'ipv6')) return 'special';
  if (globalIpv6.check(address, 'ipv6')) return 'public';
  return privateIpv6.check(address, 'ipv6') ? 'private' : 'special';
}
