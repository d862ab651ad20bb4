import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decideStart,
  SERVICE_START_DEFAULTS,
  type ServiceStart,
} from "../../../supervisor/policy/service/service-start.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How a start went: killed early, killed after ten steady minutes, or stopped orderly. */
type End = "crash" | "late-crash" | "stop";

/** Starts one after the other on a clock that only the test moves. */
class Service {
  now = Date.UTC(2026, 10, 20);
  bootId: string | null = "boot-1";
  journal: ServiceStart[] = [];

  decide = () => decideStart(this.journal, { now: this.now, bootId: this.bootId });

  /** A start that lives this long, in the mode it was given. `leave`: safe mode is left after so long. */
  lives(ms: number, end: End, leave: number | null = null): string {
    const { mode } = this.decide();
    const startedAt = this.now;
    this.now += ms;
    this.journal.push({
      startedAt,
      bootId: this.bootId,
      pid: 1,
      mode,
      steadyAt: ms >= SERVICE_START_DEFAULTS.steadyMs ? startedAt + SERVICE_START_DEFAULTS.steadyMs : null,
      leftSafeModeAt: mode === "safe-mode" && leave !== null ? startedAt + leave : null,
      stoppedAt: end === "stop" ? this.now : null,
    });
    return mode;
  }

  rests(ms: number): this {
    this.now += ms;
    return this;
  }

  crashes(times: number, everyMs: number): string[] {
    return Array.from({ length: times }, () => this.lives(everyMs, "crash"));
  }
}

const NORMAL = ["normal", "normal", "normal"];

describe("the start after three unclean ends", () => {
  it.each([
    ["at once", 0],
    ["five minutes apart", 5 * MINUTE],
    ["just under ten minutes apart", 10 * MINUTE - 1],
  ])("%s is in safe mode", (_name, everyMs) => {
    const service = new Service();
    expect(service.crashes(3, everyMs)).toEqual(NORMAL);
    expect(service.decide()).toMatchObject({ mode: "safe-mode", uncleanEnds: 3, reboots: 0 });
  });

  it("is in safe mode when each took the machine down, and says so", () => {
    const service = new Service();
    for (const boot of ["boot-2", "boot-3", "boot-4"]) {
      service.lives(4 * MINUTE, "crash");
      service.bootId = boot;
      service.rests(3 * MINUTE);
    }
    const decision = service.decide();
    expect(decision).toMatchObject({ mode: "safe-mode", reboots: 3 });
    expect(decision).toMatchObject({ message: expect.stringContaining("3 of them with the whole machine") });
  });

  it("counts an unknown boot as no reboot", () => {
    const service = new Service();
    service.crashes(3, MINUTE);
    service.bootId = null;
    expect(service.decide()).toMatchObject({ reboots: 0 });
  });

  it("is normal when the first of them is more than six hours ago", () => {
    const service = new Service();
    service.lives(MINUTE, "crash");
    service.rests(5 * HOUR).crashes(2, MINUTE);
    expect(service.decide().mode).toBe("safe-mode");
    expect(service.rests(HOUR).decide()).toEqual({ mode: "normal", uncleanEnds: 2 });
  });

  it.each(["late-crash", "stop"] as const)("is normal when a %s lies between them", (end) => {
    const service = new Service();
    service.crashes(2, MINUTE);
    service.lives(end === "stop" ? MINUTE : 11 * MINUTE, end);
    expect(service.decide()).toEqual({ mode: "normal", uncleanEnds: 0 });
    service.crashes(2, MINUTE);
    expect(service.decide().mode).toBe("normal");
  });

  it("is in safe mode even if the clock was set back meanwhile", () => {
    const service = new Service();
    service.crashes(3, MINUTE);
    expect(service.rests(-24 * HOUR).decide().mode).toBe("safe-mode");
  });
});

describe("after safe mode", () => {
  const inSafeMode = () => {
    const service = new Service();
    service.crashes(3, 5 * MINUTE);
    return service;
  };

  it("a crash in it returns to it", () => {
    const service = inSafeMode();
    expect(service.crashes(3, MINUTE)).toEqual(["safe-mode", "safe-mode", "safe-mode"]);
  });

  it("one crash after leaving returns to it, even after half an hour", () => {
    const service = inSafeMode();
    service.lives(30 * MINUTE, "crash", 10 * MINUTE);
    expect(service.decide().mode).toBe("safe-mode");
  });

  it("an orderly stop leads to a normal start with one crash left", () => {
    const service = inSafeMode();
    expect(service.lives(30 * MINUTE, "stop", 10 * MINUTE)).toBe("safe-mode");
    expect(service.decide()).toEqual({ mode: "normal", uncleanEnds: 2 });
    service.lives(MINUTE, "crash");
    expect(service.decide().mode).toBe("safe-mode");
  });

  it("a normal start that stays up clears the row", () => {
    const service = inSafeMode();
    service.lives(30 * MINUTE, "stop", 10 * MINUTE);
    service.lives(11 * MINUTE, "late-crash");
    expect(service.decide()).toEqual({ mode: "normal", uncleanEnds: 0 });
  });

  it("six hours of service after leaving clear it", () => {
    const service = inSafeMode();
    service.lives(7 * HOUR, "crash", 10 * MINUTE);
    expect(service.decide().mode).toBe("normal");
  });
});

it("is in safe mode after exactly the histories the rule names", () => {
  const life = fc.record({
    end: fc.constantFrom<End>("crash", "crash", "crash", "stop"),
    upMs: fc.integer({ min: 0, max: 12 * MINUTE }),
    restMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 * HOUR })),
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(life, { maxLength: 12, size: "max" }), (lives) => {
      const service = new Service();
      for (const { end, upMs, restMs } of lives) {
        if (service.decide().mode === "safe-mode") break;
        service.lives(upMs, end);
        service.rests(restMs);
      }
      // Only normal starts so far: safe mode iff the last three all crashed early, the first within six hours.
      const three = service.journal.slice(-3);
      const early = three.filter((start) => start.stoppedAt === null && start.steadyAt === null);
      const inTime = three.every((start) => service.now - start.startedAt <= 6 * HOUR);
      const expected = three.length === 3 && early.length === 3 && inTime ? "safe-mode" : "normal";
      expect(service.decide().mode).toBe(expected);
      seen.add(expected);
    }),
    { numRuns: 300 },
  );
  expect(seen.size).toBe(2);
});
