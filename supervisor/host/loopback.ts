import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Can only programs on this machine reach a server bound to this host? Takes names, addresses and `[::1]`. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (bare === "localhost" || bare.endsWith(".localhost")) return true;
  const version = isIP(bare);
  return version !== 0 && loopback.check(bare, version === 4 ? "ipv4" : "ipv6");
}
