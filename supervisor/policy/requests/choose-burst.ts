/** Requests that came together, as long as one of them runs. */
export interface Burst {
  /** When the last of them came, monotonic milliseconds. */
  readonly lastArrivalMs: number;
}

/** The silence after which a request belongs to a second burst, milliseconds; twice as long for each further one. */
const FIRST_SILENCE_MS = 250;

/**
 * Which burst a request joins that cannot be told apart from others by name; null: it begins a new one. Programs that
 * ask for much ask for it together, and a request that comes into a silence is likelier another program's. The more
 * bursts run already, the longer the silence must have been, so that a steady sender does not become many.
 */
export function chooseBurst<B extends Burst>(running: readonly B[], nowMs: number): B | null {
  const [first, ...others] = running;
  if (first === undefined) return null;
  const latest = others.reduce((a, b) => (b.lastArrivalMs > a.lastArrivalMs ? b : a), first);
  const neededMs = FIRST_SILENCE_MS * 2 ** (running.length - 1);
  return nowMs - latest.lastArrivalMs < neededMs ? latest : null;
}
