import { describe, expect, it } from "vitest";
import { type FailureRecord, NO_FAILURES } from "../../supervisor/policy/lifecycle/failure-record.ts";
import {
  becameRoutable,
  countFailure,
  quarantineByOperator,
  startProbe,
} from "../../supervisor/policy/lifecycle/quarantine.ts";
import { openQuarantineStore } from "../../supervisor/store/quarantine-store.ts";
import { storeFixture } from "./store-fixture.ts";

const NOW = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;
const fixture = () => storeFixture(openQuarantineStore);
const entry = (key: string, record: FailureRecord) => ({ key, model: "org/m", changedAt: NOW, record });

function crashed(times: number): FailureRecord {
  let record = NO_FAILURES;
  for (let crash = 0; crash < times; crash++)
    record = countFailure(record, { cause: "native_segv" }, NOW).record;
  return record;
}

describe("the quarantine store", () => {
  const quarantined = crashed(3);
  const trying = startProbe(quarantined, NOW + HOUR).record;
  it.each([
    ["two failures", crashed(2)],
    ["a quarantine", quarantined],
    ["a try under way", trying],
    ["a probation", becameRoutable(trying, NOW + HOUR).record],
    ["an operator's quarantine", quarantineByOperator(NO_FAILURES, "by hand", NOW).record],
  ])("keeps %s over a restart", async (_name, record) => {
    const { open } = await fixture();
    await (await open()).put(entry("k", record));
    const again = await open();
    expect(again.recovered).toBeNull();
    expect(again.get("k")).toEqual(record);
    expect(again.rows()).toEqual([entry("k", record)]);
  });

  it("knows nothing bad of a key it has not seen, whatever its name", async () => {
    const store = await (await fixture()).open();
    for (const key of ["k", "__proto__", "constructor"]) expect(store.get(key)).toEqual(NO_FAILURES);
    await store.put(entry("__proto__", quarantined));
    expect(store.get("__proto__")).toEqual(quarantined);
  });

  it("holds one record per key, and none that says nothing", async () => {
    const { open } = await fixture();
    const store = await open();
    await store.put(entry("a", crashed(1)));
    await store.put(entry("b", crashed(1)));
    await store.put(entry("a", quarantined));
    expect(store.rows().map(({ key }) => key)).toEqual(["b", "a"]);
    await store.put(entry("a", NO_FAILURES));
    await store.remove("b");
    expect((await open()).rows()).toEqual([]);
  });

  it("is bounded, and forgets models that may run before those that are kept out", async () => {
    const { open } = await fixture();
    const store = await open();
    void store.put(entry("out", quarantined));
    for (let index = 0; index < 2_100; index++) void store.put(entry(`k${index}`, crashed(1)));
    await store.close();
    const again = await open();
    expect(again.rows()).toHaveLength(2_000);
    expect(again.get("out")).toEqual(quarantined);
    expect(again.get("k0")).toEqual(NO_FAILURES);
    expect(again.get("k2099")).toEqual(crashed(1));
  });

  it("cuts an operator's essay", async () => {
    const store = await (await fixture()).open();
    await store.put(entry("k", quarantineByOperator(NO_FAILURES, "x".repeat(100_000), NOW).record));
    expect(store.get("k").standing).toMatchObject({ cause: "x".repeat(500) });
  });

  it("enforces in memory what it cannot write", async () => {
    const { open, files } = await fixture();
    const store = await open();
    files.fail("sync", "EIO");
    await store.put(entry("k", quarantined));
    expect(store.get("k")).toEqual(quarantined);
    expect(store.degraded()).toContain("EIO");
  });
});
