import { LmxError } from "../../../shared/errors.ts";

/** What reverse proxies add: the standard headers, and those that are one in practice. */
const ADDED_BY_PROXIES = /^(?:forwarded|via|x-real-ip|x-forwarded-.+)$/;

/**
 * Refuses a request that came through a proxy. Without keys "only programs of this machine reach the port" is all the
 * protection there is, and a proxy in front carries everybody to it.
 * @throws LmxError forbidden_proxy
 */
export function refuseForwarded(headers: Headers): void {
  const found = [...headers.keys()].find((name) => ADDED_BY_PROXIES.test(name));
  if (found === undefined) return;
  throw new LmxError(
    "forbidden_proxy",
    `Expected a direct request, as no key protects this path, got one with the header ${found.slice(0, 60)} of a proxy. ` +
      "Set api_keys and admin_keys, or trusted_proxy: true if the proxy itself lets nobody else through.",
  );
}
