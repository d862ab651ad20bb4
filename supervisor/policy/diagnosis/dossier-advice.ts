import type { RecoveryHint } from "./crash-causes.ts";
import { causeNamed } from "./find-cause.ts";

export interface Advice {
  /** What an operator can do. */
  readonly advice: string;
  readonly hint: RecoveryHint;
}

const BAD_OUTPUT: Advice = {
  advice: "Download the model's files again, or use another quantisation; what it computes cannot be used",
  hint: "do_not_retry",
};

/** For workers that failed while they lived; how they ended says nothing then, because they were ended. */
const FAILED_ALIVE: Readonly<Record<string, Advice>> = {
  hung: {
    advice: "See the stacks for where it hangs; check whether the machine swaps or sleeps",
    hint: "respawn_now",
  },
  footprint: {
    advice: "Lower the context, the concurrency or the cache, or raise the model's memory_limit_bytes",
    hint: "wait",
  },
  protocol_violation: {
    advice:
      "Something in the worker prints where messages belong; see its last words, and rebuild the runtime",
    hint: "respawn_now",
  },
  load_timeout: {
    advice:
      "Check whether the disk is slow or the machine swaps; raise timeouts.load_stall_seconds or load_cap_seconds",
    hint: "wait",
  },
  load_error: { advice: "See the last words for the error of mlx_lm; probe the model", hint: "do_not_retry" },
  handshake_timeout: {
    advice: "Check whether the disk is slow or the machine swaps; raise timeouts.initialize_seconds",
    hint: "wait",
  },
  canary_timeout: {
    advice: "Check whether the machine swaps; raise timeouts.canary_seconds",
    hint: "wait",
  },
  non_finite_logits: BAD_OUTPUT,
  constant_logits: BAD_OUTPUT,
  token_zero: BAD_OUTPUT,
};

/** What can be done about a named cause; null: nothing known. */
export function adviceFor(cause: string): Advice | null {
  if (Object.hasOwn(FAILED_ALIVE, cause)) return FAILED_ALIVE[cause] ?? null;
  return causeNamed(cause);
}
