import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { ServiceEvent } from "../../shared/events.ts";
import { watchDegraded } from "../../supervisor/telemetry/degraded-watch.ts";
import { EventLog } from "../../supervisor/telemetry/event-log.ts";

const START = 1_000_000;

function reader() {
  const seen: ServiceEvent[] = [];
  const state = { closed: 0 };
  return {
    seen,
    state,
    port: {
      onEvent: (event: ServiceEvent) => void seen.push(event),
      onClosed: () => {
        state.closed += 1;
      },
    },
  };
}

const numbers = (events: readonly ServiceEvent[]) =>
  events.map(({ id, type }) => (type === "reset" ? "reset" : id - START));

function filled(count: number, most = 5): EventLog {
  const log = new EventLog(() => START, most);
  for (let index = 0; index < count; index += 1) log.emit({ type: "state", model: String(index) });
  return log;
}

describe("the event log", () => {
  it("numbers events from the time of its start on and tells everybody who listens", () => {
    const log = filled(0);
    const [one, other] = [reader(), reader()];
    log.subscribe(null, one.port);
    const { stop } = log.subscribe(null, other.port);
    log.emit({ type: "released", model: "m" });
    stop();
    log.emit({ type: "runtime_mended" });
    expect(one.seen).toEqual([
      { id: START, ts: "1970-01-01T00:16:40.000Z", type: "released", model: "m", reason: null, details: {} },
      {
        id: START + 1,
        ts: "1970-01-01T00:16:40.000Z",
        type: "runtime_mended",
        model: null,
        reason: null,
        details: {},
      },
    ]);
    expect(numbers(other.seen)).toEqual([0]);
  });

  it.each([
    ["nothing to a new reader", null, []],
    ["nothing to one that has everything", START + 7, []],
    ["what came since", START + 5, [6, 7]],
    ["all that is kept, without a gap", START + 2, [3, 4, 5, 6, 7]],
    ["a reset first when something is lost", START + 1, ["reset", 3, 4, 5, 6, 7]],
    ["a reset to a reader of an earlier run", 17, ["reset", 3, 4, 5, 6, 7]],
    ["a reset to a reader from the future", START + 8, ["reset", 3, 4, 5, 6, 7]],
  ] as const)("gives %s", (_name, after, expected) => {
    expect(numbers(filled(8).since(after))).toEqual(expected);
  });

  it("lets a reader go on after a reset without a second one", () => {
    const log = filled(8);
    const [reset] = log.since(0);
    expect(numbers(log.since(reset!.id))).toEqual([3, 4, 5, 6, 7]);
    const empty = filled(0);
    expect(empty.since(empty.since(3)[0]!.id)).toEqual([]);
  });

  it("loses and repeats nothing for a reader that comes back any time within what is kept", () => {
    const plan = fc.array(fc.constantFrom("emit", "leave", "come"), { maxLength: 60 });
    fc.assert(
      fc.property(plan, (steps) => {
        const log = new EventLog(() => START, 100);
        const seen: number[] = [];
        const reading: { stop: (() => void) | null } = { stop: null };
        let emitted = 0;
        const come = () => {
          const { backlog, ...subscription } = log.subscribe(seen.at(-1) ?? START - 1, {
            onEvent: ({ id }) => void seen.push(id),
            onClosed: () => {},
          });
          seen.push(...backlog.map(({ id }) => id));
          reading.stop = subscription.stop;
        };
        for (const step of [...steps, "come"]) {
          if (step === "emit") {
            log.emit({ type: "state" });
            emitted += 1;
          } else if (step === "leave") {
            reading.stop?.();
            reading.stop = null;
          } else if (reading.stop === null) come();
        }
        expect(seen).toEqual(Array.from({ length: emitted }, (_, index) => START + index));
      }),
    );
  });

  it("tells nothing after its end, and everybody of its end once", () => {
    const log = filled(1);
    const [before, after] = [reader(), reader()];
    log.subscribe(null, before.port);
    log.close();
    log.emit({ type: "state" });
    log.subscribe(null, after.port);
    expect([before.state.closed, after.state.closed, before.seen.length]).toEqual([1, 1, 0]);
  });
});

describe("the watch over what is in memory only", () => {
  it("tells when it begins, when it changes and when it is over, once each", () => {
    vi.useFakeTimers();
    try {
      const told: [string, unknown][] = [];
      let why: string[] = [];
      const stop = watchDegraded(() => why, {
        emit: ({ type, details }) => void told.push([type, details?.degraded]),
      });
      vi.advanceTimersByTime(20_000);
      why = ["full"];
      vi.advanceTimersByTime(20_000);
      why = [];
      vi.advanceTimersByTime(20_000);
      expect(told).toEqual([
        ["registry_degraded", ["full"]],
        ["registry_restored", []],
      ]);
      stop();
      why = ["again"];
      vi.advanceTimersByTime(20_000);
      expect(told).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});
