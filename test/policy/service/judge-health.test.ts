import { describe, expect, it } from "vitest";
import { type HealthFacts, judgeHealth } from "../../../supervisor/policy/service/judge-health.ts";

const SOUND: HealthFacts = {
  isDraining: false,
  safeMode: null,
  runtime: { python: "/python" },
  runtimeBroken: null,
  models: [
    { id: "a", state: "routable", detail: null },
    { id: "b", state: "unloaded", detail: null },
    { id: "c", state: "unloaded", detail: null },
  ],
  expectsModels: false,
  eventLoopLagMs: 2,
  connections: { open: 3, limit: 300 },
  freeBytes: 2 * 1024 ** 3,
  freeReason: "because",
  degraded: [],
};

function check(changes: Partial<HealthFacts>, name: string) {
  const page = judgeHealth({ ...SOUND, ...changes });
  return { overall: page.status, ...page.checks.find((one) => one.name === name)! };
}

it("a sound service passes every check and says what was found", () => {
  const { status, checks } = judgeHealth(SOUND);
  expect(status).toBe("ok");
  expect(checks.every((one) => one.status === "pass" && one.detail !== "")).toBe(true);
  expect(checks.map(({ name }) => name)).toEqual([
    "service",
    "safe_mode",
    "runtime",
    "models",
    "event_loop",
    "connections",
    "memory",
    "stores",
  ]);
  expect(check({}, "models").detail).toBe("1 routable, 2 unloaded");
  expect(check({}, "memory").detail).toBe("2.0 GiB free: because");
});

describe("a service is unavailable", () => {
  it.each([
    ["service", { isDraining: true }, "stopping"],
    ["safe_mode", { safeMode: "it crashed 3 times" }, "it crashed 3 times"],
    ["runtime", { runtimeBroken: "no mlx" }, "no mlx"],
    ["models", { expectsModels: true, models: [{ id: "a", state: "loading", detail: null }] }, "1 loading"],
  ])("by its %s", (name, changes, words) => {
    expect(check(changes, name)).toMatchObject({
      overall: "unavailable",
      status: "fail",
      detail: expect.stringContaining(words),
    });
  });
});

describe("a service is degraded", () => {
  it.each([
    ["runtime", { runtime: null }, "being built"],
    ["models", { models: [{ id: "a", state: "quarantined", detail: null }] }, "a is quarantined"],
    ["models", { models: [{ id: "a", state: "routable", detail: "stalled" }] }, "a is stalled"],
    ["event_loop", { eventLoopLagMs: 100 }, "100.0 ms late"],
    ["memory", { freeBytes: 0 }, "0 B free"],
    ["stores", { degraded: ["disk full", "no lock"] }, "disk full; no lock"],
  ])("by its %s", (name, changes, words) => {
    expect(check(changes, name)).toMatchObject({
      overall: "degraded",
      status: "warn",
      detail: expect.stringContaining(words),
    });
  });

  it("and names a few models, not a hundred", () => {
    const models = Array.from({ length: 9 }, (_, index) => ({
      id: `m${index}`,
      state: "quarantined",
      detail: null,
    }));
    const { detail } = check({ models }, "models");
    expect(detail).toContain("m4 is quarantined and 4 more");
    expect(detail).not.toContain("m5");
  });
});

it("unknown memory is no alarm", () => {
  expect(check({ freeBytes: null }, "memory")).toMatchObject({ overall: "ok", status: "pass" });
});
