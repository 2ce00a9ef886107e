import { BlockList, isIP } from 'node:net';

/** Every origin. It has to be written out: an empty list is refused, so that nobody opens a key by leaving it out. */
const anyOrigin = '*';

/**
 * An allowed origin in its one spelling: `https://app.example.com`, `https://*.example.com` (every name below it, not
 * itself), `http://localhost:*` (every port), or `*`. Compared without regard to case, in punycode, without a path.
 *
 * @returns nothing when it is none
 */
export function normalOrigin(text: string): string | undefined {
  if (text === anyOrigin) return anyOrigin;
  const match = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?([^/?#@*\s]+?)(:\*)?\/?$/i.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', below = '', host = '', anyPort = ''] = match;
  const url = parsed(`${scheme}://${host}`);
  if (url === undefined || url.host === '' || (anyPort !== '' && url.port !== '')) return undefined;
  // What stands below an address has no names.
  if (below !== '' && (isIP(url.hostname) !== 0 || !url.hostname.includes('.'))) return undefined;
  return `${url.protocol}//${below}${url.host}${anyPort}`;
}

/** Whether a request's origin is among those allowed. A request that names none is only let through by `*`. */
export function originIsAllowed(allowed: readonly string[], origin: string | null | undefined): boolean {
  if (allowed.includes(anyOrigin)) return true;
  const url = parsed(origin ?? '');
  if (url === undefined || url.host === '') return false;
  const whole = `${url.protocol}//${url.host}`;
  return allowed.some((pattern) => {
    if (pattern === whole) return true;
    const [start = '', end] = pattern.split('*.');
    if (end !== undefined) {
      const suffix = `.${end.replace(/:\*$/, '')}`;
      const host = pattern.endsWith(':*') ? url.hostname : url.host;
      return whole.startsWith(start) && host.endsWith(suffix) && host.length > suffix.length;
    }
    return pattern.endsWith(':*') && `${url.protocol}//${url.hostname}` === pattern.slice(0, -2);
  });
}

function parsed(text: string): URL | undefined {
  try {
    // Of schemes that it does not know, URL keeps the case of the host.
    return new URL(text.toLowerCase());
  } catch {
    return undefined;
  }
}

/** An address, or a range of them such as `10.0.0.0/8`, in its one spelling. @returns nothing when it is none */
export function normalIpRange(text: string): string | undefined {
  const [address = '', bits, more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more !== undefined || address.includes('%')) return undefined;
  const most = version === 4 ? 32 : 128;
  if (bits === undefined) return `${address.toLowerCase()}/${most}`;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? `${address.toLowerCase()}/${Number(bits)}` : undefined;
}

/** Whether an address lies in one of the ranges. */
export function ipIsAllowed(ranges: readonly string[], address: string | null | undefined): boolean {
  if (address === null || address === undefined || isIP(address) === 0) return false;
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), isIP(network) === 4 ? 'ipv4' : 'ipv6');
  }
  // An IPv4 address in the clothes of IPv6, as sockets that serve both have it.
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return list.check(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6');
}
