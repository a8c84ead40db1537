import { BlockList, isIP } from 'node:net';

// RFC 6890 and 4291: what only this machine, this link or this network can reach.
const local = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  local.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  local.addSubnet(network, prefix, 'ipv6');
}

const localNames = /(^|\.)(localhost|local|internal|lan|home|corp|intranet|home\.arpa)\.?$/;

/**
 * Says whether a URL's host is, by how it is written, private, loopback or link-local. A report for people: what a name
 * resolves to is judged by the URL guard of protocols/egress.ts at the call.
 */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const family = isIP(host);
  if (family === 4) return local.check(host, 'ipv4');
  // An IPv4 address inside an IPv6 one is judged by the list for IPv4 as well.
  if (family === 6) return local.check(host, 'ipv6');
  return localNames.test(host) || !host.includes('.');
}

/** Says whether the official clients take plain http to this host: a loopback literal. */
export function isLoopbackLiteral(hostname: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]', '::1'].includes(hostname.toLowerCase());
}
