import { describe, expect, it } from "vitest";
import { always, fakeSupervisor, model, modelList } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

describe("ps", () => {
  const models = modelList(
    model("lmx-demo", "routable"),
    model("org/coming", "admitted", {
      detail: "backoff",
      failures: 2,
      next_attempt_at: "2026-11-20T10:01:34.000Z",
      reason: { code: "worker_crashed", cause: "signal", message: "killed by SIGSEGV" },
    }),
    model("org/bad", "quarantined", {
      failures: 3,
      quarantine: { level: 1, until: "2026-11-20T10:15:00.000Z", dossier_id: "d-17" },
      reason: { code: "model_unstable", cause: "metal", message: "3 failures\u001b[2J" },
    }),
    model("org/idle", "unloaded"),
  );

  it("shows a table with the reasons below their models", async () => {
    const { url } = await fakeSupervisor(always(200, models));
    const { code, out } = await lmx(["ps", "--url", url]);
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "MODEL       STATE               PID   MEMORY   IN-FLIGHT  SINCE",
      "lmx-demo    routable            4711  3.0 GiB  2          90s",
      "org/coming  admitted (backoff)  -     -        -          90s",
      "  worker_crashed: killed by SIGSEGV; 2 failures in a row; next attempt in 4s",
      "org/bad     quarantined         -     -        -          90s",
      "  model_unstable: 3 failures\ufffd[2J; 3 failures in a row; " +
        "quarantined for 13m more, until 2026-11-20 10:15 UTC (level 1, dossier d-17)",
      "",
      "1 more on disk, not loaded: lmx ps --all",
      "",
    ]);
    expect((await lmx(["ps", "--all", "--url", url])).out).toMatch(/^org\/idle +unloaded +- +- +- +90s$/m);
  });

  it("says what to do when nothing is loaded", async () => {
    const { url } = await fakeSupervisor(always(200, modelList(model("org/idle", "unloaded"))));
    const { out } = await lmx(["ps", "--url", url]);
    expect(out).toBe("No model is loaded; 1 is on disk (lmx ps --all). Load one with: lmx load org/idle\n");
  });

  it("--json prints the API's answer whole", async () => {
    const { url } = await fakeSupervisor(always(200, models));
    expect(JSON.parse((await lmx(["ps", "--json", "--url", url])).out)).toEqual(models);
  });
});
