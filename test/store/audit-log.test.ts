import { describe, expect, it } from "vitest";
import { type AuditRow, openAuditLog } from "../../supervisor/store/audit-log.ts";
import { storeFixture } from "./store-fixture.ts";

const fixture = () => storeFixture(openAuditLog);
const row = (second: number, changes: Partial<AuditRow> = {}): AuditRow => ({
  ts: new Date(Date.UTC(2026, 10, 20) + second * 1_000).toISOString(),
  action: "load",
  model: "org/a",
  actor: { key: "1f3a", address: "127.0.0.1", via: "http" },
  reason: null,
  details: {},
  ...changes,
});

describe("the audit log", () => {
  it("tells the newest first, also after a restart", async () => {
    const { open } = await fixture();
    const log = await open();
    for (const second of [1, 2, 3]) await log.append(row(second, { details: { second } }));
    expect((await open()).query()).toEqual([3, 2, 1].map((second) => row(second, { details: { second } })));
  });

  it("answers by action, model, key and time, up to a limit", async () => {
    const log = await (await fixture()).open();
    const cli = { key: null, address: null, via: "cli" };
    const rows = [
      row(1),
      row(2, { action: "release", reason: "fixed" }),
      row(3, { model: "org/b" }),
      row(4, { model: null, actor: cli, action: "leave-safe-mode" }),
    ];
    for (const one of rows) void log.append(one);
    expect(log.query({ action: "release" })).toEqual([rows[1]]);
    expect(log.query({ model: "org/a" })).toEqual([rows[1], rows[0]]);
    expect(log.query({ key: "1f3a", limit: 2 })).toEqual([rows[2], rows[1]]);
    expect(log.query({ since: row(3).ts })).toEqual([rows[3], rows[2]]);
    expect(log.query({ model: "org/b", action: "release" })).toEqual([]);
    await log.close();
  });

  it("keeps the newest two thousand", async () => {
    const { open } = await fixture();
    const log = await open();
    for (let second = 0; second < 2_050; second++) void log.append(row(second));
    await log.close();
    const kept = (await open()).query({ limit: 5_000 });
    expect(kept).toHaveLength(2_000);
    expect([kept[0]?.ts, kept.at(-1)?.ts]).toEqual([row(2_049).ts, row(50).ts]);
  });

  it("keeps every row small", async () => {
    const { open } = await fixture();
    const log = await open();
    const long = "x".repeat(50_000);
    await log.append(row(1, { reason: long, model: long, details: { long } }));
    const [kept] = (await open()).query();
    expect(JSON.stringify(kept).length).toBeLessThan(2_500);
    expect(kept?.details).toEqual({ truncated: true });
  });

  it("is not stopped by details that JSON cannot hold", async () => {
    const { open } = await fixture();
    const log = await open();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    await log.append(row(1, { details: cycle }));
    await log.append(row(2, { details: { amount: 10n } }));
    await log.append(row(3, { details: { at: undefined, fine: 1 } }));
    expect(log.degraded()).toBeNull();
    expect((await open()).query().map(({ details }) => details)).toEqual([
      { fine: 1 },
      { truncated: true },
      { truncated: true },
    ]);
  });
});
