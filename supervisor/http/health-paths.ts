/** Answered without a key: probes have none. */
const HEALTH_PATHS = ["/livez", "/readyz", "/health", "/healthz"];

/** Paths that say only that the event loop turns. */
export const LIVENESS_PATHS = ["/livez", "/health", "/healthz"] as const;

/** Whether a path is answered without a key. */
export function isHealthPath(path: string): boolean {
  return HEALTH_PATHS.includes(path);
}

/** Whether a path is answered whatever the Host header says. */
export function isLivenessPath(path: string): boolean {
  return LIVENESS_PATHS.some((known) => known === path);
}
