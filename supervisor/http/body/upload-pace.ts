import { LmxError } from "../../../shared/errors.ts";

/** How fast a body has to come. */
export interface UploadPace {
  /** 0: however slowly. */
  readonly bytesPerSecond: number;
  /** Over which that is measured, again and again. A client may pause for about as long. Milliseconds. */
  readonly windowMs: number;
}

/** A timer that fires this late judges nobody: what came meanwhile has not been read yet. Milliseconds. */
const LATE_MS = 1_000;

/**
 * Watches a body while it comes.
 * @param received bytes so far
 * @param onTooSlow told once
 * @returns ends the watch
 */
export function watchUpload(
  { bytesPerSecond, windowMs }: UploadPace,
  received: () => number,
  onTooSlow: (error: LmxError) => void,
): () => void {
  if (bytesPerSecond === 0) return () => {};
  const expected = Math.ceil((bytesPerSecond * windowMs) / 1000);
  let before = 0;
  let startedAt = performance.now();
  const timer = setInterval(() => {
    const isLate = performance.now() - startedAt > windowMs + LATE_MS;
    const came = received() - before;
    before += came;
    startedAt = performance.now();
    if (isLate || came >= expected) return;
    clearInterval(timer);
    onTooSlow(tooSlow(came, expected, windowMs));
  }, windowMs);
  return () => clearInterval(timer);
}

function tooSlow(came: number, expected: number, windowMs: number): LmxError {
  const problem = `The body comes too slowly: expected ${expected} bytes in ${windowMs / 1000} seconds, got ${came}`;
  return new LmxError("request_timeout", `${problem}; send less, or over a faster connection.`);
}
