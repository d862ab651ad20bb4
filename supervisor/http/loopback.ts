/**
 * Whether a host name or address (`localhost`, `127.0.0.1`, `::1`, `[::1]`), with or without a port, is this machine's
 * loopback. Parsed, not matched by prefix: `127.0.0.1.example.com` is not.
 */
export function isLoopback(host: string): boolean {
  const authority =
    host.includes(":") && !host.includes("[") && host.split(":").length > 2 ? `[${host}]` : host;
  if (!URL.canParse(`http://${authority}`)) return false;
  const { hostname } = new URL(`http://${authority}`);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
