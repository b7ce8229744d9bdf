import { BlockList, isIP } from 'node:net';

/** An address that an EndpointSlice may hold; the API server refuses what leads nowhere from another machine. */
export type Address = { readonly type: 'IPv4' | 'IPv6'; readonly text: string };

/** Source: `ValidateNonSpecialIP` of Kubernetes: unspecified, loopback, link-local. */
const SPECIAL = new BlockList();
SPECIAL.addAddress('0.0.0.0');
SPECIAL.addSubnet('127.0.0.0', 8);
SPECIAL.addSubnet('169.254.0.0', 16);
SPECIAL.addSubnet('224.0.0.0', 24);
SPECIAL.addAddress('::', 'ipv6');
SPECIAL.addAddress('::1', 'ipv6');
SPECIAL.addSubnet('fe80::', 10, 'ipv6');
SPECIAL.addSubnet('ff02::', 16, 'ipv6');

/** @returns undefined for a name, and for an address that only its own machine understands */
export function readAddress(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 0 || SPECIAL.check(text, family === 4 ? 'ipv4' : 'ipv6')) return undefined;
  return { type: family === 4 ? 'IPv4' : 'IPv6', text };
}

/** The host of an endpoint's URL: an address without brackets, or a name. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}
