import { describe, expect, it } from "vitest";
import { Metrics } from "../../../supervisor/http/metrics/metrics.ts";
import { testApp } from "../test-app.ts";

async function scrape({ app }: ReturnType<typeof testApp>): Promise<string[]> {
  const text = await (await app.request("/metrics")).text();
  return text.split("\n").map((line) => line.replace("opta_lmx_", ""));
}

describe("GET /metrics, of this moment", () => {
  it("has the ledger, the machine, the spare worker and the event loop", async () => {
    const served = testApp();
    served.condition.spares = 1;
    served.condition.lagMs = 25;
    expect(await scrape(served)).toEqual(
      expect.arrayContaining([
        'memory_ledger_bytes{kind="limit"} 100',
        'memory_ledger_bytes{kind="reserve"} 10',
        'memory_ledger_bytes{kind="held"} 0',
        'memory_ledger_bytes{kind="free"} 70',
        'machine_memory_bytes{kind="total"} 100',
        'machine_memory_bytes{kind="available"} 80',
        "spare_workers 1",
        "event_loop_lag_seconds 0.025",
      ]),
    );
  });

  it("has no series for what is not known, nor for a model that holds nothing any more", async () => {
    const served = testApp();
    const { condition } = served;
    const empty = condition.memory;
    const use = { state: "loaded", isBusy: false, isPinned: false, lastUsedMs: 0 } as const;
    condition.memory = {
      ...empty,
      holders: [{ ...use, modelId: "m", bytes: 5, measuredBytes: 6 }],
    };
    expect(await scrape(served)).toEqual(
      expect.arrayContaining([
        'model_memory_bytes{model_name="m",kind="granted"} 5',
        'model_memory_bytes{model_name="m",kind="measured"} 6',
      ]),
    );
    condition.memory = { ...empty, freeBytes: null, machine: { ...empty.machine, availableBytes: null } };
    const text = (await scrape(served)).join("\n");
    expect(text).not.toContain('model_memory_bytes{model_name="m"');
    expect(text).not.toContain('kind="free"');
    expect(text).not.toContain('kind="available"');
  });

  it("counts quarantines by rule", async () => {
    const metrics = new Metrics();
    metrics.quarantined("m", "threshold");
    metrics.quarantined("m", "threshold");
    metrics.quarantined("m", "operator");
    const text = await metrics.render([]);
    expect(text).toContain('opta_lmx_quarantines_total{model_name="m",rule="threshold"} 2\n');
    expect(text).toContain('opta_lmx_quarantines_total{model_name="m",rule="operator"} 1\n');
  });
});
