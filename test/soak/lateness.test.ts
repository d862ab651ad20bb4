import { describe, expect, it } from "vitest";
import { latenessOf, SEEN_LATE_MS } from "./lateness.ts";

const request = { openedAt: 100, begunAt: 200, endedAt: 1_000, outcome: "worker_crashed" };

describe("how long after its worker a request ended", () => {
  it("is counted from the last death while it ran, when it ended with the news", () => {
    expect(latenessOf(request, [50, 300, 900])).toEqual({ kind: "ended", ms: 100 });
  });

  it("is nothing when the answer came a moment before the death was seen", () => {
    expect(latenessOf(request, [50, 1_000 + SEEN_LATE_MS])).toEqual({ kind: "ended", ms: 0 });
  });

  it("has nothing to do with a death before its answer began", () => {
    expect(latenessOf(request, [150])).toBeNull();
    expect(latenessOf({ ...request, begunAt: null }, [150])).toEqual({ kind: "ended", ms: 850 });
  });

  it("is not known when no worker died while it ran", () => {
    expect(latenessOf(request, [50, 5_000])).toBeNull();
  });

  it("is counted from the first death after its first content, whatever error it ended with", () => {
    expect(latenessOf({ ...request, outcome: "internal_error" }, [150, 300, 900])).toEqual({
      kind: "ended",
      ms: 700,
    });
  });

  it("is not judged for one that had not begun and was held", () => {
    expect(latenessOf({ ...request, begunAt: null, outcome: "model_not_ready" }, [300])).toBeNull();
  });

  it("is not judged for a client that left", () => {
    expect(latenessOf({ ...request, outcome: "aborted" }, [300])).toBeNull();
  });

  it("does not apply to an answer that is whole although its worker died", () => {
    expect(latenessOf({ ...request, outcome: "ok" }, [300])).toEqual({ kind: "continued" });
  });
});
