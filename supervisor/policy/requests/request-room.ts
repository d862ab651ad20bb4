/** A body of which no byte has come for this long is at rest, milliseconds. */
const RESTING_MS = 1_000;
/** A body this many times as large as another's gives way to it. */
const LARGER = 2;

/** What is held of the memory for requests when more of it is asked for. Bytes. */
export interface RequestRoom {
  readonly maxBytes: number;
  readonly heldBytes: number;
  /** By all requests of the one who asks. */
  readonly ownerBytes: number;
}

/**
 * Whether an owner may take more: it holds at most what stays free for others. One alone gets half, two a third each,
 * and there is always something left for the next.
 */
export function hasRoom({ maxBytes, heldBytes, ownerBytes }: RequestRoom, bytes: number): boolean {
  return ownerBytes + bytes <= maxBytes - heldBytes - bytes;
}

/** A request that takes part in the memory for requests. */
export interface HeldBody {
  readonly owner: string;
  /** By all requests of its owner. */
  readonly ownerBytes: number;
  readonly bytes: number;
}

export interface ArrivingBody extends HeldBody {
  /** Monotonic milliseconds. */
  readonly lastByteMs: number;
}

/**
 * Which unfinished body gives way to one that needs room; null: none. Only a body of the same owner, or of one who holds
 * more; and of those one at rest or a much larger one, so that slow uploads lose first and equals leave each other alone.
 * @param asker with what it needs already counted
 */
export function chooseYielding<Body extends ArrivingBody>(
  arriving: Iterable<Body>,
  asker: HeldBody,
  nowMs: number,
): Body | null {
  const isResting = ({ lastByteMs }: Body) => nowMs - lastByteMs >= RESTING_MS;
  const mayYield = (body: Body) =>
    (body.owner === asker.owner || body.ownerBytes > asker.ownerBytes) &&
    (isResting(body) || body.bytes > LARGER * asker.bytes);
  const isBefore = (a: Body, b: Body) => {
    if (a.ownerBytes !== b.ownerBytes) return a.ownerBytes > b.ownerBytes;
    if (isResting(a) !== isResting(b)) return isResting(a);
    return isResting(a) ? a.lastByteMs < b.lastByteMs : a.bytes > b.bytes;
  };
  let first: Body | null = null;
  for (const body of arriving) if (mayYield(body) && (first === null || isBefore(body, first))) first = body;
  return first;
}
