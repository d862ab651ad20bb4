import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../../../supervisor/policy/lifecycle/failure-record.ts";
import {
  currentWorker,
  type Decision,
  type Effect,
  type Failure,
  holdsMemory,
  type Model,
  type ModelEvent,
  NEW_MODEL,
} from "../../../supervisor/policy/lifecycle/model-state.ts";
import { quarantineByOperator } from "../../../supervisor/policy/lifecycle/quarantine.ts";
import { transition } from "../../../supervisor/policy/lifecycle/transition.ts";

/** The wall clock is far from the monotonic one, so that mixing them up shows. */
const EPOCH = 1_700_000_000_000;
const at = (now: number) => ({ now, wallNow: EPOCH + now, random: 0.5, numbers: QUARANTINE_DEFAULTS });
const failure = (kind: Failure["class"]): Failure => ({
  class: kind,
  reason: { code: "worker_crashed", cause: kind, message: kind },
});

/** Feeds events one after the other; the last decision and all effects. */
function run(
  events: readonly ModelEvent[],
  model: Model = NEW_MODEL,
  now = 0,
): { model: Model; effects: Effect[] } {
  const effects: Effect[] = [];
  for (const event of events) {
    const decision = transition(model, event, at(now));
    model = decision.model;
    effects.push(...decision.effects);
  }
  return { model, effects };
}

const toAdmitted: ModelEvent[] = [
  { kind: "load-asked", by: "operator" },
  { kind: "admission-passed", attempt: 1 },
];
const toLoading: ModelEvent[] = [...toAdmitted, { kind: "permit-granted" }];
const toRoutable: ModelEvent[] = [
  ...toLoading,
  { kind: "loaded", worker: 1 },
  { kind: "canary-passed", worker: 1 },
];
const STEADY = { kind: "steady", worker: 1, routableMs: 600_000, finishedRequests: 1 } as const;
const kinds = (effects: readonly Effect[]) => effects.map((effect) => effect.kind);

describe("a model's life", () => {
  it("goes from unloaded to routable through permit, load and canary", () => {
    const { model, effects } = run(toRoutable);
    expect(model.state).toEqual({ kind: "routable", worker: 1 });
    expect(kinds(effects)).toEqual([
      "check-admission",
      "ask-permit",
      "start-worker",
      "run-canary",
      "record",
      "return-permit",
      "wake-waiters",
    ]);
  });

  it("restarts a routable model at once after its first crash, and with a growing delay after more", () => {
    let { model } = run(toRoutable);
    // A quarantine that comes late, to see the whole curve.
    const patient = (now: number) => ({
      ...at(now),
      numbers: { ...QUARANTINE_DEFAULTS, threshold: 99, slowFlapFailures: 99 },
    });
    const delays: number[] = [];
    for (let crash = 1; crash <= 9; crash++) {
      const decision = transition(
        model,
        { kind: "exited", worker: model.lastWorker, failure: failure("crash") },
        patient(1000),
      );
      expect(decision.model.state.kind).toBe("admitted");
      delays.push(
        decision.model.state.kind === "admitted" ? decision.model.state.notBefore - 1000 : Number.NaN,
      );
      model = run(
        [
          { kind: "retry-due" },
          { kind: "permit-granted" },
          { kind: "loaded", worker: model.lastWorker + 1 },
          { kind: "canary-passed", worker: model.lastWorker + 1 },
        ],
        decision.model,
        1_000_000,
      ).model;
      expect(model.state.kind).toBe("routable");
    }
    expect(delays).toEqual([0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it("quarantines at the third crash, and writes it down before anything else is done", () => {
    let { model } = run(toRoutable);
    for (let crash = 1; crash <= 2; crash++) {
      const worker = model.lastWorker;
      model = run([{ kind: "exited", worker, failure: failure("crash") }], model, crash * 1_000_000).model;
      model = run(
        [
          { kind: "retry-due" },
          { kind: "permit-granted" },
          { kind: "loaded", worker: worker + 1 },
          { kind: "canary-passed", worker: worker + 1 },
        ],
        model,
        crash * 1_000_000 + 100_000,
      ).model;
      expect(model.state.kind).toBe("routable");
    }
    const third = run(
      [{ kind: "exited", worker: model.lastWorker, failure: failure("resource") }],
      model,
      3_000_000,
    );
    expect(third.model.state).toMatchObject({
      kind: "quarantined",
      by: "failures",
      reason: { code: "model_unstable" },
    });
    expect(kinds(third.effects)[0]).toBe("save-record");
    expect(kinds(third.effects)).not.toContain("ask-permit");
    const asked = run(
      [
        { kind: "load-asked", by: "request" },
        { kind: "load-asked", by: "operator" },
      ],
      third.model,
    );
    expect(asked.effects).toEqual([]);
    const due = run([{ kind: "load-asked", by: "request" }], third.model, 3_000_000 + 15 * 60_000 + 1);
    expect(due.model.state.kind).toBe("checking");
  });

  it("tries a released model once: on probation when it loads, out for longer when it does not", () => {
    const out = run([
      ...toRoutable,
      { kind: "quarantine-asked", reason: "smells" },
      { kind: "drained", worker: 1 },
    ]);
    expect(out.model.state).toMatchObject({ kind: "quarantined", by: "failures" });
    expect(out.effects).toContainEqual({ kind: "end-worker", worker: 1, how: "orderly" });
    const gone = run([{ kind: "exited", worker: 1, failure: failure("crash") }], out.model).model;
    expect(gone.record.failures).toBe(0);
    const trying = run(
      [{ kind: "release-asked" }, { kind: "admission-passed", attempt: 2 }, { kind: "permit-granted" }],
      gone,
    ).model;
    expect(trying.record.standing.kind).toBe("half-open");
    const passed = run(
      [
        { kind: "loaded", worker: 2 },
        { kind: "canary-passed", worker: 2 },
      ],
      trying,
    ).model;
    expect(passed.record.standing.kind).toBe("probation");
    for (const tried of [trying, passed]) {
      const failed = run([{ kind: "exited", worker: 2, failure: failure("crash") }], tried).model;
      expect(failed).toMatchObject({ state: { kind: "quarantined", by: "failures" }, record: { level: 1 } });
    }
    // Longer than the lease by the wall clock, in sleep or because it was set: the caps of the load know better.
    const late = QUARANTINE_DEFAULTS.leaseMs * 2;
    const awake = run(
      [
        { kind: "loaded", worker: 2 },
        { kind: "canary-passed", worker: 2 },
      ],
      trying,
      late,
    ).model;
    expect(awake).toMatchObject({ state: { kind: "routable" }, record: { standing: { kind: "probation" } } });
    expect(run([{ kind: "unload-asked" }], trying, late).model.record).toMatchObject({
      level: 0,
      failures: 0,
    });
    const cancelled = run([{ kind: "unload-asked" }], trying).model;
    expect(cancelled).toMatchObject({ state: { kind: "quarantined" }, record: { level: 0, failures: 0 } });
  });

  it("holds nothing against a model whose crash does not count", () => {
    const uncounted = { ...failure("crash"), counts: false };
    const { model } = run([...toRoutable, { kind: "exited", worker: 1, failure: uncounted }]);
    expect(model).toMatchObject({ state: { kind: "admitted" }, record: NO_FAILURES });
  });

  it("has no history when its files or its runtime change, and gets it back with them", () => {
    const out = run([{ kind: "quarantine-asked", reason: "smells" }]).model;
    const changed = run([{ kind: "key-changed", record: NO_FAILURES }], out).model;
    expect(changed.state).toEqual({ kind: "unloaded", reason: null });
    expect(run([{ kind: "key-changed", record: out.record }], changed).model.state.kind).toBe("quarantined");
  });

  it("answers a first explicit load that crashes instead of trying again", () => {
    const { model, effects } = run([...toLoading, { kind: "exited", worker: 1, failure: failure("crash") }]);
    expect(model.state).toEqual({ kind: "unloaded", reason: failure("crash").reason });
    expect(model.record.failures).toBe(1);
    expect(kinds(effects)).toContain("report-failure");
  });

  it("keeps trying a model that is loaded at start", () => {
    const { model } = run([
      { kind: "load-asked", by: "auto-load" },
      { kind: "admission-passed", attempt: 1 },
      { kind: "permit-granted" },
      { kind: "exited", worker: 1, failure: failure("crash") },
    ]);
    expect(model.state.kind).toBe("admitted");
  });

  it("quarantines on a verdict and lets only the operator look again", () => {
    const { model } = run([
      ...toLoading,
      { kind: "failed", worker: 1, failure: failure("deterministic"), hung: false },
      { kind: "exited", worker: 1, failure: failure("crash") },
    ]);
    expect(model.state.kind).toBe("quarantined");
    expect(model.record.failures).toBe(0);
    expect(run([{ kind: "load-asked", by: "request" }], model).effects).toEqual([]);
    expect(kinds(run([{ kind: "load-asked", by: "operator" }], model).effects)).toEqual(["check-admission"]);
  });

  it("quarantines a model that admission refuses for good, and records it, without a worker or a permit", () => {
    const { model, effects } = run([
      { kind: "load-asked", by: "auto-load" },
      { kind: "admission-refused", attempt: 1, failure: failure("deterministic") },
    ]);
    expect(model).toMatchObject({
      state: { kind: "quarantined", by: "verdict" },
      record: NO_FAILURES,
      lastWorker: 0,
    });
    expect(kinds(effects)).toEqual(["check-admission", "report-failure", "record", "wake-waiters"]);
  });

  it("leaves a model unloaded, unrecorded and uncounted that is refused only for now", () => {
    const { model, effects } = run([
      { kind: "load-asked", by: "operator" },
      { kind: "admission-refused", attempt: 1, failure: failure("environment") },
    ]);
    expect(model.state).toEqual({ kind: "unloaded", reason: failure("environment").reason });
    expect(kinds(effects)).toEqual(["check-admission", "report-failure", "wake-waiters"]);
  });

  it("says of a model its failures keep out why its try was refused", () => {
    const { record } = quarantineByOperator(NO_FAILURES, "by hand", 1);
    const trying: Model = { ...NEW_MODEL, record, state: { kind: "checking", attempt: 1 } };
    const refused = failure("environment");
    const { model } = run([{ kind: "admission-refused", attempt: 1, failure: refused }], trying);
    expect(model.state).toMatchObject({
      kind: "quarantined",
      reason: {
        code: "model_unstable",
        message: expect.stringMatching(`^taken out .* its last try was refused: ${refused.reason.message}$`),
      },
    });
  });

  it("ignores the verdict of a check that was taken back or overtaken by one that goes further", () => {
    const asked: ModelEvent = { kind: "load-asked", by: "operator" };
    const refused: ModelEvent = { kind: "admission-refused", attempt: 1, failure: failure("deterministic") };
    expect(run([asked, { kind: "unload-asked" }, refused]).model.state.kind).toBe("unloaded");
    const overtaken = run([
      asked,
      { ...asked, overrides: { unsupportedRuntime: true, safeMode: false } },
      refused,
    ]);
    expect(overtaken.model).toMatchObject({
      state: { kind: "checking", attempt: 2 },
      overrides: { unsupportedRuntime: true, safeMode: false },
    });
    expect(run([asked, asked]).model.lastCheck).toBe(1);
  });

  it("is looked at again, past the same limits, when its files changed before it was its turn", () => {
    const overrides = { unsupportedRuntime: true, safeMode: false };
    const { model, effects } = run([
      { kind: "load-asked", by: "operator", overrides },
      { kind: "admission-passed", attempt: 1 },
      { kind: "permit-granted", filesChanged: true },
    ]);
    expect(model.state).toEqual({ kind: "checking", attempt: 2 });
    expect(kinds(effects)).toEqual(["check-admission", "ask-permit", "return-permit", "check-admission"]);
    expect(effects.at(-1)).toEqual({ kind: "check-admission", attempt: 2, overrides });
  });

  it("holds its memory from the check on until its last worker is gone", () => {
    const unloading = run([...toLoading, { kind: "unload-asked" }]).model;
    expect(
      [NEW_MODEL, run([{ kind: "load-asked", by: "operator" }]).model, unloading].map(holdsMemory),
    ).toEqual([false, true, true]);
    expect(
      holdsMemory(run([{ kind: "exited", worker: 1, failure: failure("crash") }], unloading).model),
    ).toBe(false);
  });

  it("counts nothing against a model whose environment is broken", () => {
    const { model, effects } = run([
      { kind: "load-asked", by: "auto-load" },
      { kind: "admission-passed", attempt: 1 },
      { kind: "permit-granted" },
      { kind: "exited", worker: 1, failure: failure("environment") },
    ]);
    expect(model.state.kind).toBe("unloaded");
    expect(model.record.failures).toBe(0);
    expect(kinds(effects)).not.toContain("record");
  });

  it("drains before it unloads, and a death while draining is no failure", () => {
    const draining = run([...toRoutable, { kind: "unload-asked" }]);
    expect(draining.model.state).toEqual({ kind: "draining", worker: 1 });
    const died = run([{ kind: "exited", worker: 1, failure: failure("crash") }], draining.model);
    expect(died.model).toMatchObject({ state: { kind: "unloaded", reason: null }, record: NO_FAILURES });
    const drained = run([{ kind: "drained", worker: 1 }], draining.model);
    expect(drained.effects).toContainEqual({ kind: "end-worker", worker: 1, how: "orderly" });
    expect(drained.model.leaving).toBe(1);
  });

  it("stays wanted over the unload of a restart, and not over any other", () => {
    for (const comesBack of [true, false]) {
      const failed = run([
        ...toRoutable,
        { kind: "unload-asked", comesBack },
        { kind: "drained", worker: 1 },
        { kind: "exited", worker: 1, failure: failure("crash") },
        { kind: "load-asked", by: "operator" },
        { kind: "admission-passed", attempt: 2 },
        { kind: "permit-granted" },
        { kind: "exited", worker: 2, failure: failure("crash") },
      ]).model;
      expect(failed.state.kind).toBe(comesBack ? "admitted" : "unloaded");
    }
  });

  it("wakes who waited for the old worker to leave, also when a new load stands behind it", () => {
    const behind = run([
      ...toLoading,
      { kind: "unload-asked" },
      { kind: "load-asked", by: "operator" },
      { kind: "admission-passed", attempt: 2 },
    ]).model;
    const { effects } = run([{ kind: "exited", worker: 1, failure: failure("crash") }], behind);
    expect(kinds(effects)).toEqual(["ask-permit", "wake-waiters"]);
  });

  it("slows restarts down after deaths that nothing was held against it for", () => {
    const blameless = { ...failure("crash"), counts: false };
    const died = (model: Model, worker: number) =>
      run([{ kind: "exited", worker, failure: blameless }], model).model;
    let { model } = run(toRoutable);
    const waits: number[] = [];
    for (let worker = 1; worker <= 4; worker++) {
      model = died(model, worker);
      if (model.state.kind !== "admitted") throw new Error(model.state.kind);
      waits.push(model.state.notBefore);
      model = { ...model, state: { kind: "routable", worker: worker + 1 } };
    }
    expect(model.record.failures).toBe(0);
    expect(waits[0]).toBe(0);
    expect(waits[3]).toBeGreaterThan(waits[2] ?? 0);
  });

  it("starts no second worker before the old one is gone", () => {
    const unloading = run([
      ...toLoading,
      { kind: "unload-asked" },
      { kind: "load-asked", by: "operator" },
      { kind: "admission-passed", attempt: 2 },
    ]);
    expect(unloading.model.state).toMatchObject({ kind: "admitted", permit: "none" });
    const gone = run([{ kind: "exited", worker: 1, failure: failure("crash") }], unloading.model);
    expect(gone.model.state).toMatchObject({ kind: "admitted", permit: "asked" });
    expect(gone.model.record.failures).toBe(0);
  });

  it("ignores messages of a worker that is no longer the model's", () => {
    const { model } = run(toRoutable);
    for (const event of [
      { kind: "exited", worker: 7, failure: failure("crash") },
      { kind: "failed", worker: 7, failure: failure("crash"), hung: true },
      { kind: "loaded", worker: 7 },
      { kind: "canary-passed", worker: 7 },
      { kind: "drained", worker: 7 },
    ] satisfies ModelEvent[]) {
      expect(transition(model, event, at(0))).toEqual({ model, effects: [] });
    }
  });

  it("lets an idle model leave, but not one that was replaced in the meantime", () => {
    const { model } = run(toRoutable);
    expect(run([{ kind: "idle", worker: 1 }], model).model.state).toEqual({ kind: "draining", worker: 1 });
    expect(run([{ kind: "idle", worker: 7 }], model).model).toEqual(model);
  });

  it("forgives one failure at a time for steady service, never for a load that went well", () => {
    const { model } = run(toRoutable, { ...NEW_MODEL, record: { ...NO_FAILURES, failures: 2 } });
    expect(model.record.failures).toBe(2);
    expect(run([STEADY], model).model.record.failures).toBe(1);
  });
});

/** The host's side of the contract, recorded: which workers live, who holds the permit, what fires later. */
class FakeHost {
  model: Model = NEW_MODEL;
  now = 0;
  readonly alive = new Set<number>();
  permits = 0;
  readonly canaryPassed = new Set<number>();

  apply(event: ModelEvent): Decision {
    const decision = transition(this.model, event, { ...at(this.now), random: 0.3 });
    this.model = decision.model;
    for (const effect of decision.effects) {
      if (effect.kind === "start-worker") this.alive.add(effect.worker);
      if (effect.kind === "ask-permit") this.permits += 1;
      if (effect.kind === "return-permit") this.permits -= 1;
    }
    return decision;
  }

  /** Turns a random number pair into an event that could really happen now, or a stale one. */
  step(choice: number, which: number): void {
    this.now += which * 500;
    const worker = which % 5 === 0 ? 99 : this.model.lastWorker;
    const failing = failure(
      (["crash", "resource", "deterministic", "environment"] as const)[which % 4] ?? "crash",
    );
    const waiting = this.model.state.kind === "admitted" && this.model.state.permit === "asked";
    switch (choice) {
      case 0:
        return void this.apply({
          kind: "load-asked",
          by: (["operator", "auto-load", "request"] as const)[which % 3] ?? "request",
        });
      case 1:
        return void this.apply({ kind: "unload-asked" });
      case 2:
        return void (waiting && this.apply({ kind: "permit-granted", filesChanged: which % 4 === 0 }));
      case 3:
        return void (this.alive.has(worker) && this.apply({ kind: "loaded", worker }));
      case 4: {
        if (this.model.state.kind === "canary") this.canaryPassed.add(this.model.state.worker);
        return void this.apply({ kind: "canary-passed", worker: this.model.lastWorker });
      }
      case 5:
        return void this.apply({ kind: "failed", worker, failure: failing, hung: which % 2 === 0 });
      case 6: {
        if (!this.alive.delete(worker)) return;
        return void this.apply({ kind: "exited", worker, failure: failing });
      }
      case 7:
        return void this.apply({ kind: "drained", worker });
      case 8:
        return void this.apply({ kind: "retry-due" });
      case 9:
        return void this.apply({ ...STEADY, worker });
      case 10:
        return void this.apply({ kind: "idle", worker });
      case 13:
        return void this.apply({ kind: "release-asked" });
      case 14:
        return void this.apply({ kind: "quarantine-asked", reason: "random" });
      case 11:
      case 12: {
        const attempt = which % 5 === 0 ? 99 : this.model.lastCheck;
        return void this.apply(
          choice === 11
            ? { kind: "admission-passed", attempt }
            : { kind: "admission-refused", attempt, failure: failing },
        );
      }
      default:
        return void this.apply({ kind: "key-changed", record: NO_FAILURES });
    }
  }
}

describe("invariants over random event sequences", () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 15 }), fc.nat({ max: 20 })), { maxLength: 120 });

  it("never has two live workers, and never routes to one whose canary did not pass or that is dead", () => {
    fc.assert(
      fc.property(steps, (choices) => {
        const host = new FakeHost();
        for (const [choice, which] of choices) {
          host.step(choice, which);
          expect(host.alive.size).toBeLessThanOrEqual(1);
          const worker = currentWorker(host.model.state);
          if (worker !== null) expect(host.alive.has(worker)).toBe(true);
          if (host.model.state.kind === "routable")
            expect(host.canaryPassed.has(host.model.state.worker)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("holds the load permit exactly while it waits for it, loads or canaries", () => {
    fc.assert(
      fc.property(steps, (choices) => {
        const host = new FakeHost();
        for (const [choice, which] of choices) {
          host.step(choice, which);
          const { state } = host.model;
          const holds =
            (state.kind === "admitted" && state.permit === "asked") ||
            state.kind === "loading" ||
            state.kind === "canary";
          expect(host.permits).toBe(holds ? 1 : 0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("wakes the waiters whenever a settled state is reached", () => {
    const settled = new Set(["routable", "quarantined", "unloaded"]);
    fc.assert(
      fc.property(steps, (choices) => {
        const host = new FakeHost();
        for (const [choice, which] of choices) {
          const before = host.model;
          const apply = host.apply.bind(host);
          let woken = true;
          host.apply = (event) => {
            const decision = apply(event);
            const arrived =
              settled.has(decision.model.state.kind) && before.state.kind !== decision.model.state.kind;
            // A drained model settles when its worker is gone, which wakes in its turn.
            if (arrived && decision.model.leaving === null)
              woken = kinds(decision.effects).includes("wake-waiters");
            return decision;
          };
          host.step(choice, which);
          host.apply = apply;
          expect(woken).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("never counts what the operator did, and always comes to rest when events stop", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 2, 3, 4, 7, 8, 11), { maxLength: 60 }), (choices) => {
        const host = new FakeHost();
        for (const choice of choices) host.step(choice, 1);
        expect(host.model.record.failures).toBe(0);
      }),
    );
  });
});
