/** More of them take memory and serve nobody: a machine that runs models answers dozens at once, not thousands. */
const MOST_CONNECTIONS = 4_096;
/** Where the limit of descriptors is not known, the smallest one that is usual. */
const USUAL_DESCRIPTORS = 256;
/** Workers with their pipes and logs, files that are read, state that is written, and the operator's own connections. */
const RESERVED_PART = 1 / 4;
const LEAST_RESERVED = 64;
const MOST_RESERVED = 512;
const LEAST_CONNECTIONS = 16;

/** Connections beyond the limit, for probes and operators alone. */
export const LAST_PLACES = 16;

/**
 * How many connections clients may have at once.
 * @param descriptors that this process may have open; null: not known
 * @param wanted as configured; null: as many as there is room for
 */
export function connectionLimit(descriptors: number | null, wanted: number | null): number {
  const all = descriptors ?? USUAL_DESCRIPTORS;
  const reserved = Math.min(MOST_RESERVED, Math.max(LEAST_RESERVED, Math.floor(all * RESERVED_PART)));
  const room = Math.max(LEAST_CONNECTIONS, all - reserved - LAST_PLACES);
  return Math.min(room, wanted ?? MOST_CONNECTIONS);
}

/** What becomes of a connection that has just come. */
export type Admission<Connection> =
  | { readonly kind: "accept" }
  /** In the place of one that nothing happens on. */
  | { readonly kind: "replace"; readonly idle: Connection }
  /** On one of the last places: only a probe or an operator is answered. */
  | { readonly kind: "accept-late" }
  | { readonly kind: "drop" };

/**
 * @param open connections besides this one
 * @param idle the first that has to go; null: something is asked on each of them
 */
export function admitConnection<Connection>(
  open: number,
  limit: number,
  idle: () => Connection | null,
): Admission<Connection> {
  if (open < limit) return { kind: "accept" };
  const first = idle();
  if (first !== null) return { kind: "replace", idle: first };
  return open < limit + LAST_PLACES ? { kind: "accept-late" } : { kind: "drop" };
}
