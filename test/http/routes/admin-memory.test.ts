import { describe, expect, it } from "vitest";
import { memoryReportSchema } from "../../../shared/admin-memory.ts";
import type { MemorySnapshot } from "../../../supervisor/cluster/admission/memory-ledger.ts";
import { memoryReport } from "../../../supervisor/http/routes/admin-memory.ts";
import { testApp } from "../test-app.ts";

const holder = (modelId: string, bytes: number, changes: object = {}) => ({
  modelId,
  bytes,
  state: "loaded" as const,
  isBusy: false,
  isPinned: false,
  lastUsedMs: 0,
  measuredBytes: null,
  ...changes,
});

const SNAPSHOT: MemorySnapshot = {
  machine: { totalBytes: 1000, availableBytes: 500, limitBytes: 900, source: "a test" },
  limitBytes: 900,
  reserveBytes: 50,
  heldBytes: 450,
  freeBytes: 250,
  holders: [
    holder("small", 100, { measuredBytes: 150, isPinned: true, lastUsedMs: 4_000 }),
    holder("big", 300, { state: "reserved", isBusy: true }),
  ],
};

describe("GET /admin/memory", () => {
  it("has the machine with its source, the ledger, and who holds what, the largest first", async () => {
    const { app, condition } = testApp();
    condition.memory = SNAPSHOT;
    const response = await app.request("/admin/memory");
    expect(response.status).toBe(200);
    const report = memoryReportSchema.parse(await response.json());
    expect(report).toMatchObject({
      machine: { total_bytes: 1000, available_bytes: 500, limit_bytes: 900, source: "a test" },
      limit_bytes: 900,
      limit_source: "machine_limit",
      reserve_bytes: 50,
      held_bytes: 450,
      free_bytes: 250,
      free_reason: expect.stringContaining("500 B available on the machine"),
      holders: [
        { model_id: "big", state: "reserved", granted_bytes: 300, measured_bytes: null, busy: true },
        { model_id: "small", state: "loaded", granted_bytes: 100, measured_bytes: 150, pinned: true },
      ],
    });
  });

  it("needs the admin key where there is one", async () => {
    const { app } = testApp({ config: { admin_keys: ["admin-secret"] } });
    expect((await app.request("/admin/memory")).status).toBe(401);
  });
});

it("a holder's last use is told as a date, and not at all when there was none", () => {
  const moment = { wallMs: Date.parse("2026-01-01T00:01:00Z"), monotonicMs: 10_000 };
  const { holders } = memoryReport(SNAPSHOT, { reserve_bytes: 50, evict: "idle" }, moment);
  expect(holders.map(({ model_id, last_used_at }) => [model_id, last_used_at])).toEqual([
    ["big", null],
    ["small", "2026-01-01T00:00:54.000Z"],
  ]);
});
