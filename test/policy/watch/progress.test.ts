import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  judgeProgress,
  type Progress,
  type ProgressVerdict,
} from "../../../supervisor/policy/watch/progress.ts";

const LIMITS = { limitMs: 120_000, gapMs: 25_000 };

/** One worker's answers, `everyMs` apart. */
class Worker {
  now = 1_000;
  progress: Progress | null = null;
  verdict: ProgressVerdict = "moving";

  says(steps: number, inFlight: number, { forMs = 5_000, everyMs = 5_000 } = {}): this {
    for (const end = this.now + forMs; this.now < end; ) {
      this.now += everyMs;
      const judged = judgeProgress(this.progress, { steps, inFlight, now: this.now }, LIMITS);
      this.progress = judged.progress;
      this.verdict = judged.verdict;
    }
    return this;
  }
}

describe("the progress of a worker", () => {
  it("is shown as stalled after a quarter of the limit without a step, and stuck at the limit", () => {
    const worker = new Worker().says(7, 1);
    expect(worker.says(7, 1, { forMs: 25_000 }).verdict).toBe("moving");
    expect(worker.says(7, 1).verdict).toBe("stalled");
    expect(worker.says(7, 1, { forMs: 85_000 }).verdict).toBe("stalled");
    expect(worker.says(7, 1).verdict).toBe("stuck");
  });

  it("begins anew with one step", () => {
    const worker = new Worker().says(7, 1).says(7, 1, { forMs: 115_000 });
    expect(worker.verdict).toBe("stalled");
    expect(worker.says(8, 1).verdict).toBe("moving");
    expect(worker.says(8, 1, { forMs: 115_000 }).verdict).toBe("stalled");
  });

  it("is not asked of a worker that has nothing to do, and begins when it gets something", () => {
    const worker = new Worker().says(7, 0, { forMs: 3_600_000 });
    expect(worker.verdict).toBe("moving");
    expect(worker.says(7, 1, { forMs: 25_000 }).verdict).toBe("moving");
  });

  it("is not judged over a time in which the supervisor slept", () => {
    const worker = new Worker().says(7, 1).says(7, 1, { forMs: 115_000 });
    expect(worker.says(7, 1, { forMs: 26_000, everyMs: 26_000 }).verdict).toBe("moving");
    expect(worker.says(7, 1, { forMs: 115_000 }).verdict).toBe("stalled");
    expect(worker.says(7, 1).verdict).toBe("stuck");
  });

  it("is judged over a gap that two late answers make", () => {
    const worker = new Worker().says(7, 1);
    expect(worker.says(7, 1, { forMs: 125_000, everyMs: 25_000 }).verdict).toBe("stuck");
  });

  it("never calls a worker stuck that made a step within the limit", () => {
    const answer = fc.record({
      afterMs: fc.integer({ min: 1, max: 40_000 }),
      steps: fc.integer({ min: 0, max: 2 }),
      inFlight: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 40 }), (answers) => {
        let progress: Progress | null = null;
        let now = 0;
        let steps = 0;
        let movedAt = 0;
        for (const next of answers) {
          now += next.afterMs;
          steps += next.steps;
          if (next.steps > 0 || next.inFlight === 0 || progress === null) movedAt = now;
          const judged = judgeProgress(progress, { steps, inFlight: next.inFlight, now }, LIMITS);
          progress = judged.progress;
          if (judged.verdict === "stuck") expect(now - movedAt).toBeGreaterThanOrEqual(LIMITS.limitMs);
        }
      }),
    );
  });
});
