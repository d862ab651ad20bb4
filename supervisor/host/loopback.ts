import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** What a host, with or without a port, is made of: no user, no path, nothing a URL would read as something else. */
const AUTHORITY = /^[\w.:[\]-]+$/;

/**
 * Whether only programs on this machine can reach a server bound to this host, or mean it by this name. Takes names,
 * addresses, `[::1]`, with or without a port. Parsed, not matched by prefix: `127.0.0.1.example.com` is not loopback.
 */
export function isLoopbackHost(host: string): boolean {
  const url = `http://${isIP(host) === 6 ? `[${host}]` : host}`;
  if (!AUTHORITY.test(host) || !URL.canParse(url)) return false;
  const bare = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  if (bare === "localhost" || bare.endsWith(".localhost")) return true;
  const version = isIP(bare);
  return version !== 0 && loopback.check(bare, version === 4 ? "ipv4" : "ipv6");
}
