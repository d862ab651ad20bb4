import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type FailureRecord,
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
} from "../../../supervisor/policy/lifecycle/failure-record.ts";
import {
  becameRoutable,
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
const DAY = 24 * 60 * MINUTE;

const CHANGES = {
  crash: (record: FailureRecord, now: number) => countFailure(record, { cause: "native_segv" }, now),
  startProbe,
  becameRoutable,
  finishedRequest,
  forgive: (record: FailureRecord, now: number) =>
    forgive(record, { routableMs: 10 * MINUTE, finishedRequests: 1 }, now),
  endedWithoutBlame,
  release,
  operator: (record: FailureRecord, now: number) => quarantineByOperator(record, "by hand", now),
  readAgain,
  catchUp,
} satisfies Record<string, (record: FailureRecord, now: number) => QuarantineOutcome>;

type Name = keyof typeof CHANGES;
/** What happens, and the milliseconds before it. */
type Move = readonly [Name, number];

const anything = fc.constantFrom(...(Object.keys(CHANGES) as Name[]));
const pause = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 2 * MINUTE }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 * MINUTE }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * DAY }) },
);
const jump = fc.oneof(
  { weight: 9, arbitrary: pause },
  { weight: 1, arbitrary: fc.integer({ min: -2 * DAY, max: 0 }) },
);

/** Stretches of an ordinary life between moves in no order at all, which alone would hardly ever pass a probation. */
function moves(wait: fc.Arbitrary<number>): fc.Arbitrary<Move[]> {
  const one = (what: fc.Arbitrary<Name>) => fc.tuple(what, wait).map((move): Move[] => [move]);
  const probe = fc.constant<Move[]>([
    ["startProbe", DAY],
    ["becameRoutable", MINUTE],
  ]);
  const work = fc.constant(Array.from({ length: 5 }, (): Move => ["finishedRequest", 3 * MINUTE]));
  const flap = fc.integer({ min: 2, max: 11 }).map((times) =>
    Array.from({ length: times }, (): Move[] => [
      ["forgive", 11 * MINUTE],
      ["crash", MINUTE],
    ]).flat(),
  );
  const stretch = fc.oneof(
    { weight: 4, arbitrary: one(fc.constant("crash")) },
    { weight: 4, arbitrary: one(anything) },
    { weight: 2, arbitrary: probe },
    { weight: 1, arbitrary: work },
    { weight: 1, arbitrary: flap },
  );
  return fc.array(stretch, { maxLength: 60, size: "max" }).map((stretches) => stretches.flat());
}

interface Seen {
  readonly what: Name;
  /** The record with time caught up, just before. */
  readonly before: FailureRecord;
  readonly outcome: QuarantineOutcome;
  readonly now: number;
}

/** Plays the moves and shows every step twice: what time alone did, then what the move did. */
function play(played: readonly Move[], look: (seen: Seen) => void): void {
  let now = Date.UTC(2026, 10, 20);
  let record = NO_FAILURES;
  for (const [what, ms] of played) {
    now += ms;
    for (const part of ["catchUp", what] as const) {
      const outcome = CHANGES[part](record, now);
      look({ what: part, before: record, outcome, now });
      record = JSON.parse(JSON.stringify(outcome.record)) as FailureRecord;
      expect(record).toEqual(outcome.record);
    }
  }
}

const quarantines = ({ outcome }: Seen) => outcome.events.filter((event) => event.kind === "quarantined");

const passed = ({ outcome }: Seen) => outcome.events.some(({ kind }) => kind === "probation-passed");

it("quarantines only for a rule that was really broken", () => {
  fc.assert(
    fc.property(moves(pause), (played) => {
      let inARow = 0;
      let counted: number[] = [];
      play(played, (seen) => {
        const { what, before, outcome, now } = seen;
        const open = before.standing.kind !== "quarantined";
        const failed =
          quarantines(seen).some(({ rule }) => rule !== "operator") || (what === "crash" && open);
        if (failed) [inARow, counted] = [inARow + 1, [...counted, now]];
        for (const { rule } of quarantines(seen)) {
          if (rule === "threshold") expect(inARow).toBeGreaterThanOrEqual(QUARANTINE_DEFAULTS.threshold);
          if (rule === "slow-flap")
            expect(counted.filter((at) => now - at < DAY).length).toBeGreaterThanOrEqual(10);
          if (rule === "probation") expect(before.standing.kind).toBe("probation");
          if (rule === "probe-failed") expect(before.standing.kind).toBe("half-open");
          if (rule === "operator") expect(what).toBe("operator");
        }
        if (passed(seen)) inARow = 0;
        // And the other way round: nobody goes on running with three in a row.
        if (outcome.record.standing.kind === "free") expect(inARow).toBeLessThan(3);
        if (outcome.events.some(({ kind }) => kind === "forgiven")) inARow -= 1;
      });
    }),
  );
});

it("raises the level by one with each quarantine by failures and at no other time", () => {
  fc.assert(
    fc.property(moves(jump), (played) => {
      play(played, (seen) => {
        const { before, outcome } = seen;
        const byFailures = quarantines(seen).filter(({ rule }) => rule !== "operator").length;
        if (byFailures > 0) expect(outcome.record.level).toBe(before.level + 1);
        else expect(outcome.record.level).toBeLessThanOrEqual(before.level);
        expect(outcome.record.level).toBeGreaterThanOrEqual(0);
      });
    }),
  );
});

it("forgets a failure only by forgiveness or a passed probation, and counts none for operators and loads", () => {
  fc.assert(
    fc.property(moves(jump), (played) => {
      play(played, (seen) => {
        const { what, before, outcome } = seen;
        const kinds = outcome.events.map(({ kind }) => kind);
        if (outcome.record.failures < before.failures) {
          expect(kinds.includes("forgiven") || kinds.includes("probation-passed")).toBe(true);
        }
        if (["becameRoutable", "endedWithoutBlame", "release", "operator", "startProbe"].includes(what)) {
          expect(outcome.record.failures).toBe(before.failures);
          expect(outcome.record.recent).toEqual(before.recent);
        }
        if (what === "becameRoutable") expect(outcome.record.failedProbes).toBe(before.failedProbes);
      });
    }),
  );
});

it("never keeps a model out for more than a day unless only the operator may let it back", () => {
  fc.assert(
    fc.property(moves(jump), (played) => {
      play(played, ({ outcome, now }) => {
        const { standing, failedProbes } = outcome.record;
        if (standing.kind === "half-open") expect(standing.leaseUntil - now).toBeLessThanOrEqual(11 * MINUTE);
        if (standing.kind !== "quarantined") return;
        if (standing.until !== null) expect(standing.until - now).toBeLessThanOrEqual(DAY);
        else expect(standing.rule === "operator" || failedProbes >= 5).toBe(true);
      });
    }),
  );
});

it("has one try at a time, granted exactly when it was offered", () => {
  fc.assert(
    fc.property(moves(jump), (played) => {
      let open = false;
      play(played, ({ what, before, outcome, now }) => {
        const offered = mayStart(before, now).kind === "probe";
        for (const { kind } of outcome.events) {
          if (kind === "probe-started") expect(open).toBe(false);
          if (kind === "probe-started") open = true;
          if (["quarantined", "probation-began", "probe-abandoned"].includes(kind)) open = false;
        }
        expect(outcome.record.standing.kind === "half-open").toBe(open);
        if (what === "startProbe") {
          expect(outcome.events.some(({ kind }) => kind === "probe-started")).toBe(offered);
        }
      });
    }),
  );
});

it("reaches every standing, so that the properties above speak of all of them", () => {
  const reached = new Set<string>();
  const rules = new Set<string>();
  fc.assert(
    fc.property(moves(pause), (played) => {
      play(played, (seen) => {
        reached.add(seen.outcome.record.standing.kind);
        for (const { rule } of quarantines(seen)) rules.add(rule);
      });
    }),
    { numRuns: 300, seed: 1 },
  );
  expect([...reached].toSorted()).toEqual(["free", "half-open", "probation", "quarantined"]);
  expect([...rules].toSorted()).toEqual(["operator", "probation", "probe-failed", "slow-flap", "threshold"]);
});
