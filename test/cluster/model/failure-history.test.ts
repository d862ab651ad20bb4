import { describe, expect, it } from "vitest";
import type { BackendVersions } from "../../../supervisor/backends/model-key.ts";
import { FailureHistory } from "../../../supervisor/cluster/model/failure-history.ts";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../../../supervisor/policy/lifecycle/failure-record.ts";
import {
  becameRoutable,
  countFailure,
  quarantineByOperator,
  release,
  startProbe,
} from "../../../supervisor/policy/lifecycle/quarantine.ts";
import { openQuarantineStore } from "../../../supervisor/store/quarantine-store.ts";
import { storeFixture } from "../../store/store-fixture.ts";
import { ENTRY } from "../../support/fake-cluster-parts.ts";

const VERSIONS: BackendVersions = { mlx_lm: "0.32.2", mlx: "0.32.4" };

async function remembering() {
  const { open } = await storeFixture(openQuarantineStore);
  const now = { versions: VERSIONS as BackendVersions | null };
  const history = async () =>
    new FailureHistory({ store: await open(), numbers: QUARANTINE_DEFAULTS, versions: () => now.versions });
  return { history, now };
}

function quarantined(now: number) {
  let record = NO_FAILURES;
  for (let crash = 0; crash < 3; crash++) record = countFailure(record, { cause: "native_segv" }, now).record;
  return record;
}

describe("the key of a failure record", () => {
  it("is another for other files, another runtime, another model, and none without a runtime", async () => {
    const { history, now } = await remembering();
    const one = await history();
    const keys = [
      one.keyOf(ENTRY),
      one.keyOf({ ...ENTRY, digest: "d2" }),
      one.keyOf({ ...ENTRY, id: "n" }),
      one.keyOf({ ...ENTRY, modelType: "qwen3" }),
    ];
    now.versions = { ...VERSIONS, mlx: "0.33" };
    keys.push(one.keyOf(ENTRY));
    now.versions = { ...VERSIONS, mlx_lm: "0.33" };
    keys.push(one.keyOf(ENTRY));
    expect(new Set(keys).size).toBe(6);
    expect(keys).not.toContain(null);
    now.versions = null;
    expect(one.keyOf(ENTRY)).toBeNull();
  });

  it("stays the same when the files lie elsewhere", async () => {
    const one = await (await remembering()).history();
    expect(one.keyOf({ ...ENTRY, path: "/elsewhere", sizeBytes: 2 })).toBe(one.keyOf(ENTRY));
  });
});

describe("a failure record", () => {
  it("of an unknown key is the blank one itself", async () => {
    const one = await (await remembering()).history();
    expect(one.read("unknown", "m")).toBe(NO_FAILURES);
  });

  it("survives a restart", async () => {
    const { history } = await remembering();
    const record = quarantined(Date.now());
    await (await history()).save("k", "m", record);
    expect((await history()).read("k", "m")).toEqual(record);
  });

  it("whose try was open when the service ended comes back as a failed try", async () => {
    const { history } = await remembering();
    const past = Date.now() - 3_600_000;
    const trying = startProbe(quarantined(past), Date.now() - 1_000).record;
    expect(trying.standing.kind).toBe("half-open");
    await (await history()).save("k", "m", trying);
    expect((await history()).read("k", "m")).toMatchObject({
      level: 2,
      failedProbes: 1,
      standing: { kind: "quarantined", rule: "probe-failed", cause: "supervisor_ended" },
    });
  });

  it("on probation has to prove itself anew", async () => {
    const { history } = await remembering();
    const trying = startProbe(release(quarantined(Date.now()), Date.now()).record, Date.now()).record;
    await (await history()).save("k", "m", becameRoutable(trying, Date.now()).record);
    expect((await history()).read("k", "m").standing).toEqual({
      kind: "probation",
      since: null,
      finished: 0,
    });
  });
});

describe("an operator's quarantine", () => {
  const byOperator = (record = NO_FAILURES) =>
    quarantineByOperator(record, "answers nonsense", Date.now()).record;

  it("moves with the model to other files or another runtime, and on to the next start", async () => {
    const { history } = await remembering();
    const one = await history();
    await one.save("old", "m", byOperator(quarantined(Date.now())));
    const moved = one.read("new", "m");
    // Its failures are those of the old files.
    expect(moved).toMatchObject({
      failures: 0,
      level: 0,
      standing: { kind: "quarantined", until: null, rule: "operator", cause: "answers nonsense" },
    });
    await one.save("unrelated", "n", NO_FAILURES);
    expect((await history()).read("new", "m")).toEqual(moved);
    expect((await history()).read("of n", "n")).toBe(NO_FAILURES);
  });

  it("once released does not come back from an older key", async () => {
    const { history } = await remembering();
    const one = await history();
    await one.save("old", "m", byOperator());
    await one.save("new", "m", release(one.read("new", "m"), Date.now()).record);
    expect(one.read("newer", "m")).toBe(NO_FAILURES);
    await one.save("new", "m", NO_FAILURES);
    expect(one.read("newer", "m")).toBe(NO_FAILURES);
  });

  it("leaves no older word behind that could come back", async () => {
    const { history } = await remembering();
    const one = await history();
    await one.save("oldest", "m", byOperator());
    await one.save("old", "m", NO_FAILURES);
    await one.save("old", "m", byOperator());
    await one.save("new", "m", release(one.read("new", "m"), Date.now()).record);
    await one.save("new", "m", NO_FAILURES);
    expect((await history()).read("new", "m")).toBe(NO_FAILURES);
    expect((await history()).read("oldest", "m").standing).toEqual({ kind: "free" });
  });

  it("is the only one that moves: by failures it is about one key", async () => {
    const { history } = await remembering();
    const one = await history();
    await one.save("old", "m", quarantined(Date.now()));
    expect(one.read("new", "m")).toBe(NO_FAILURES);
  });
});
