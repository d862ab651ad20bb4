import { describe, expect, it } from "vitest";
import {
  type FailureRecord,
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
  stayMs,
} from "../../../supervisor/policy/lifecycle/failure-record.ts";
import {
  becameRoutable,
  concurrencyLimit,
  countFailure,
  endedWithoutBlame,
  finishedRequest,
  forgive,
  mayStart,
  quarantineByOperator,
  readAgain,
  release,
  startProbe,
} from "../../../supervisor/policy/lifecycle/quarantine.ts";
import { catchUp, type QuarantineOutcome } from "../../../supervisor/policy/lifecycle/quarantine-step.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const crash = { cause: "native_segv" };

/** One model's record and a clock that only this test moves. */
class Story {
  now = Date.UTC(2026, 10, 20);
  record: FailureRecord = NO_FAILURES;
  last: QuarantineOutcome = { record: NO_FAILURES, events: [] };

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  does(change: (record: FailureRecord, now: number) => QuarantineOutcome): this {
    this.last = change(this.record, this.now);
    // As it comes back from disk.
    this.record = JSON.parse(JSON.stringify(this.last.record)) as FailureRecord;
    expect(this.record).toEqual(this.last.record);
    return this;
  }

  crashes(times = 1): this {
    for (let crashed = 0; crashed < times; crashed++) this.does((r, now) => countFailure(r, crash, now));
    return this;
  }

  serves(requests: number): this {
    for (let served = 0; served < requests; served++) this.does(finishedRequest);
    return this;
  }

  /** Quarantined by three crashes, its time over, tried and routable again. */
  reachesProbation(): this {
    return this.crashes(3)
      .after(15 * MINUTE)
      .does(startProbe)
      .after(MINUTE)
      .does(becameRoutable);
  }

  get kind(): string {
    return this.record.standing.kind;
  }

  get minutesOut(): number | null {
    const { standing } = this.record;
    if (standing.kind !== "quarantined") throw new Error(`expected quarantined, got ${standing.kind}`);
    return standing.until === null ? null : (standing.until - this.now) / MINUTE;
  }

  get verdict(): string {
    return mayStart(this.record, this.now).kind;
  }

  get events(): string[] {
    return this.last.events.map((event) => event.kind);
  }
}

describe("three failures in a row", () => {
  it("quarantine for 15 minutes, whatever lies between them", () => {
    const story = new Story()
      .crashes()
      .after(5 * HOUR)
      .crashes()
      .after(9 * HOUR);
    expect([story.kind, story.verdict]).toEqual(["free", "yes"]);
    story.crashes();
    expect(story.last.events).toEqual([
      {
        kind: "quarantined",
        rule: "threshold",
        cause: "native_segv",
        level: 1,
        until: story.now + 15 * MINUTE,
      },
    ]);
    expect(story.verdict).toBe("no");
  });

  it("quarantine a model that loads well and crashes at its first request: a load success resets nothing", () => {
    const story = new Story();
    for (let attempt = 0; attempt < 3; attempt++) story.does(becameRoutable).after(MINUTE).crashes();
    expect(story.kind).toBe("quarantined");
  });

  it("count once the quarantine stands: late reports of a dead worker change nothing", () => {
    const story = new Story().crashes(3);
    const before = story.record;
    story.crashes(2);
    expect(story.record).toEqual(before);
    expect(story.events).toEqual([]);
  });

  it("stay counted when operators unload in between", () => {
    const story = new Story().crashes(2).does(endedWithoutBlame).does(endedWithoutBlame);
    expect(story.record.failures).toBe(2);
    expect(story.crashes().kind).toBe("quarantined");
  });
});

describe("forgiveness", () => {
  const tenMinutes = { routableMs: 10 * MINUTE, finishedRequests: 1 };

  it.each([
    ["ten minutes and a request", tenMinutes, 1],
    ["ten minutes of idling", { ...tenMinutes, finishedRequests: 0 }, 2],
    ["nine minutes of work", { routableMs: 9 * MINUTE, finishedRequests: 50 }, 2],
  ])("for %s", (_name, service, failures) => {
    const story = new Story().crashes(2).does((r, now) => forgive(r, service, now));
    expect(story.record.failures).toBe(failures);
  });

  it.each([
    [9, "threshold", 3],
    [11, "slow-flap", 10],
  ])("of a crash every %i minutes ends in quarantine by the %s rule", (minutes, rule, crashes) => {
    const story = new Story();
    let counted = 0;
    while (story.kind === "free") {
      story.after(minutes * MINUTE);
      story.does((r, now) => forgive(r, { routableMs: minutes * MINUTE, finishedRequests: 7 }, now));
      story.crashes();
      counted += 1;
    }
    expect(counted).toBe(crashes);
    expect(story.record.standing).toMatchObject({ rule });
  });

  it("lets a model that crashes every three hours run on", () => {
    const story = new Story();
    for (let crashed = 0; crashed < 40; crashed++) {
      story
        .after(3 * HOUR)
        .does((r, now) => forgive(r, tenMinutes, now))
        .crashes();
    }
    expect(story.kind).toBe("free");
  });
});

describe("the one try", () => {
  it("is refused before its time and then given to one of two who race for it", () => {
    const story = new Story().crashes(3).after(15 * MINUTE - 1);
    expect(story.does(startProbe).events).toEqual([]);
    story.after(1);
    expect(story.verdict).toBe("probe");
    expect(story.does(startProbe).events).toEqual(["probe-started"]);
    expect(story.verdict).toBe("probing");
    expect(story.does(startProbe).events).toEqual([]);
  });

  it("leads through probation back to freedom with a clean count", () => {
    const story = new Story().reachesProbation();
    expect([story.kind, story.verdict, concurrencyLimit(story.record)]).toEqual(["probation", "yes", 1]);
    story.serves(5);
    expect(story.kind).toBe("probation");
    story.after(10 * MINUTE).does(catchUp);
    expect(story.events).toEqual(["probation-passed"]);
    expect(story.record).toMatchObject({ failures: 0, failedProbes: 0, level: 1 });
    expect(concurrencyLimit(story.record)).toBeNull();
  });

  it("does not end probation before five requests", () => {
    const story = new Story().reachesProbation().after(HOUR).serves(4);
    expect(story.kind).toBe("probation");
    expect(story.serves(1).kind).toBe("free");
  });

  it("that fails doubles the stay", () => {
    const story = new Story().crashes(3);
    const stays = [story.minutesOut];
    for (let probe = 0; probe < 4; probe++) {
      story.after(DAY).does(startProbe).crashes();
      stays.push(story.minutesOut);
    }
    expect(stays).toEqual([15, 30, 60, 120, 240]);
  });

  it("that fails five times leaves the word to the operator", () => {
    const story = new Story().crashes(3);
    for (let probe = 0; probe < 5; probe++) story.after(DAY).does(startProbe).crashes();
    expect(story.minutesOut).toBeNull();
    expect(story.after(30 * DAY).verdict).toBe("no");
    story.does(release);
    expect([story.events, story.verdict]).toEqual([["released"], "probe"]);
    story.does(startProbe).crashes();
    expect(story.minutesOut).toBe(stayMs(7, QUARANTINE_DEFAULTS) / MINUTE);
  });

  it("that hangs has failed when its lease is over, and its late success changes nothing", () => {
    const story = new Story()
      .crashes(3)
      .after(15 * MINUTE)
      .does(startProbe);
    story.after(QUARANTINE_DEFAULTS.leaseMs - 1).does(catchUp);
    expect(story.kind).toBe("half-open");
    story.after(1).does(becameRoutable);
    expect(story.record).toMatchObject({ level: 2, failedProbes: 1, standing: { rule: "probe-failed" } });
  });

  it("is handed back when an operator ends it", () => {
    const story = new Story()
      .crashes(3)
      .after(15 * MINUTE)
      .does(startProbe)
      .after(MINUTE)
      .does(endedWithoutBlame);
    expect(story.record).toMatchObject({ level: 1, failures: 3, failedProbes: 0 });
    expect(story.verdict).toBe("probe");
  });

  it("that was open when the supervisor died has failed", () => {
    const story = new Story()
      .crashes(3)
      .after(15 * MINUTE)
      .does(startProbe)
      .after(MINUTE)
      .does(readAgain);
    expect(story.record).toMatchObject({
      level: 2,
      standing: { rule: "probe-failed", cause: "supervisor_ended" },
    });
    expect(story.minutesOut).toBe(30);
  });
});

describe("probation", () => {
  it("ends in quarantine at the first failure, one level up", () => {
    const story = new Story().reachesProbation().serves(4).crashes();
    expect(story.record).toMatchObject({ level: 2, standing: { rule: "probation" } });
    expect(story.minutesOut).toBe(30);
  });

  it("judges a failure after its time and requests like any other", () => {
    const story = new Story()
      .reachesProbation()
      .serves(5)
      .after(11 * MINUTE)
      .crashes();
    expect(story.events).toEqual(["probation-passed"]);
    expect(story.record).toMatchObject({ failures: 1, level: 1, standing: { kind: "free" } });
  });

  it("keeps count of failed tries until it is passed: load-ok-then-crash does not wash them off", () => {
    const story = new Story().crashes(3).after(DAY).does(startProbe).crashes();
    story.after(DAY).does(startProbe).does(becameRoutable);
    expect(story.record.failedProbes).toBe(1);
    story
      .serves(5)
      .after(10 * MINUTE)
      .does(catchUp);
    expect(story.record.failedProbes).toBe(0);
  });

  it.each([
    ["an unload", endedWithoutBlame],
    ["a restart of the supervisor", readAgain],
  ])("begins anew after %s", (_name, interruption) => {
    const story = new Story()
      .reachesProbation()
      .serves(5)
      .after(2 * MINUTE)
      .does(interruption);
    story.after(DAY).does(catchUp);
    expect(story.kind).toBe("probation");
    expect(story.does(becameRoutable).serves(5).kind).toBe("probation");
    expect(story.after(10 * MINUTE).does(catchUp).kind).toBe("free");
  });
});

describe("the level", () => {
  const free = () =>
    new Story()
      .reachesProbation()
      .serves(5)
      .after(10 * MINUTE)
      .does(catchUp);

  it("caps the stay at a day", () => {
    expect([1, 2, 7, 8, 50, 5_000].map((level) => stayMs(level, QUARANTINE_DEFAULTS) / HOUR)).toEqual([
      0.25, 0.5, 16, 24, 24, 24,
    ]);
  });

  it("sinks by one per clean day, counted from its return to service", () => {
    const story = free();
    story.after(DAY - 10 * MINUTE - 1).does(catchUp);
    expect(story.record.level).toBe(1);
    expect(story.after(1).does(catchUp).record.level).toBe(0);
  });

  it("loses no hours when it is looked at in the middle of a day", () => {
    const story = new Story().reachesProbation().crashes().after(DAY).does(startProbe).does(becameRoutable);
    story
      .serves(5)
      .after(1.5 * DAY)
      .does(catchUp);
    expect(story.record.level).toBe(1);
    expect(story.after(0.5 * DAY).does(catchUp).record.level).toBe(0);
  });

  it("does not sink while the model is kept out", () => {
    const story = new Story()
      .crashes(3)
      .after(5 * DAY)
      .does(catchUp);
    expect(story.record.level).toBe(1);
  });

  it("starts its clean day again with every counted failure", () => {
    const story = free()
      .after(DAY - HOUR)
      .crashes()
      .after(2 * HOUR)
      .does(catchUp);
    expect(story.record.level).toBe(1);
    expect(story.after(DAY).does(catchUp).record.level).toBe(0);
  });
});

describe("an operator's quarantine", () => {
  it("has no end of its own, counts nothing, and survives a restart", () => {
    const story = new Story().does((r, now) => quarantineByOperator(r, "looks wrong", now));
    expect(story.last.events).toEqual([
      { kind: "quarantined", rule: "operator", cause: "looks wrong", level: 0, until: null },
    ]);
    story.after(100 * DAY).does(readAgain);
    expect([story.verdict, story.record.failures, story.record.level]).toEqual(["no", 0, 0]);
    expect(story.does(release).verdict).toBe("probe");
  });

  it("can be spoken over a try under way", () => {
    const story = new Story().crashes(3).after(HOUR).does(startProbe);
    story.does((r, now) => quarantineByOperator(r, "enough", now)).does(becameRoutable);
    expect(story.record).toMatchObject({
      level: 1,
      failures: 3,
      standing: { kind: "quarantined", until: null },
    });
  });
});

describe("a clock that jumps", () => {
  it("back by a day does not lengthen the stay", () => {
    const story = new Story().crashes(3).after(-DAY).does(readAgain);
    expect(story.minutesOut).toBe(15);
  });

  it("back by a day does not lengthen a lease or a probation", () => {
    const story = new Story().crashes(3).after(HOUR).does(startProbe).after(-DAY).does(catchUp);
    story.after(QUARANTINE_DEFAULTS.leaseMs).does(catchUp);
    expect(story.kind).toBe("quarantined");
    const proving = new Story().reachesProbation().serves(5).after(-DAY).does(catchUp);
    expect(proving.after(10 * MINUTE).does(catchUp).kind).toBe("free");
  });

  it("ahead by a day ends a stay and costs nothing else", () => {
    const story = new Story().crashes(3).after(DAY);
    expect(story.verdict).toBe("probe");
    expect(story.record).toMatchObject({ failures: 3, level: 1 });
  });
});
