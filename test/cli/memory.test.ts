import { expect, it } from "vitest";
import type { MemoryReport } from "../../shared/admin-memory.ts";
import { always, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const GIB = 1024 ** 3;

const REPORT: MemoryReport = {
  machine: { total_bytes: 64 * GIB, available_bytes: 20 * GIB, limit_bytes: null, source: "/proc/meminfo" },
  limit_bytes: 48 * GIB,
  limit_source: "configuration",
  reserve_bytes: GIB,
  evict: "never",
  held_bytes: 30 * GIB,
  free_bytes: 18 * GIB,
  free_reason: "the limit less what is held",
  holders: [
    {
      model_id: "org/big\u001b[2J",
      state: "loaded",
      granted_bytes: 20 * GIB,
      measured_bytes: 18 * GIB,
      busy: true,
      pinned: true,
      last_used_at: "2026-11-20T10:00:30.000Z",
    },
    {
      model_id: "org/new",
      state: "reserved",
      granted_bytes: 10 * GIB,
      measured_bytes: null,
      busy: false,
      pinned: false,
      last_used_at: null,
    },
  ],
};

it("lmx memory shows the ledger and who holds what", async () => {
  const { url, asked } = await fakeSupervisor(always(200, REPORT));
  const { code, out } = await lmx(["memory", "--url", url]);
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    "Free       18.0 GiB  the limit less what is held",
    "Held       30.0 GiB  by models",
    "Limit      48.0 GiB  memory.limit_bytes of the configuration",
    "Reserve    1.0 GiB   for the rest of the machine",
    "Available  20.0 GiB  of 64.0 GiB; /proc/meminfo",
    "",
    "MODEL        STATE     GRANTED   MEASURED  USE           LAST USED",
    "org/big\ufffd[2J  loaded    20.0 GiB  18.0 GiB  busy, pinned  60s ago",
    "org/new      reserved  10.0 GiB  -         idle          -",
    "",
  ]);
  expect(asked).toMatchObject([{ method: "GET", path: "/admin/memory" }]);
});

it("says when nobody holds memory, and what is not known", async () => {
  const unknown = { ...REPORT, holders: [], free_bytes: null, limit_bytes: null, limit_source: null };
  const { url } = await fakeSupervisor(always(200, unknown));
  const { out } = await lmx(["memory", "--url", url]);
  expect(out).toContain("No model holds memory.\n");
  expect(out).toMatch(/^Limit {6}-$/m);
});

it("--json prints the API's answer whole", async () => {
  const { url } = await fakeSupervisor(always(200, REPORT));
  expect(JSON.parse((await lmx(["memory", "--json", "--url", url])).out)).toEqual(REPORT);
});
