import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RegistryEntry, registryFileSchema } from "../../shared/registry.ts";
import { BoundedRows } from "../../supervisor/store/bounded-rows.ts";
import { openRegistry } from "../../supervisor/store/compatibility-registry.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { FaultyFiles } from "./faulty-files.ts";

const log = { info: () => undefined, error: () => undefined };
const ts = "2026-11-20T10:00:00.000Z";

function row(changes: Partial<RegistryEntry> = {}): RegistryEntry {
  const metadata = { digest: "d1", mlx_version: "0.32.4", arch: "llama" };
  return {
    model: "org/a",
    backend: "mlx-lm",
    backend_version: "0.32.2",
    outcome: "pass",
    reason: null,
    metadata,
    ts,
    ...changes,
  };
}

const key = {
  model: "org/a",
  backend: "mlx-lm",
  backendVersion: "0.32.2",
  digest: "d1",
  mlxVersion: "0.32.4",
  arch: "llama",
};

async function fixture() {
  const path = join(await temporaryDirectory(), "compatibility-registry.json");
  const files = new FaultyFiles();
  const open = () => openRegistry({ path, now: () => 0, log, files });
  const reading = async (content: string) => {
    await writeFile(path, content);
    return await open();
  };
  return { path, files, open, reading };
}

describe("the registry", () => {
  it("has what was recorded after it is opened again, in a file of the published shape", async () => {
    const { open, path } = await fixture();
    const registry = await open();
    registry.record(row());
    await registry.recordDurably(row({ outcome: "fail", reason: "canary" }));
    expect((await open()).entries()).toEqual([row(), row({ outcome: "fail", reason: "canary" })]);
    expect(registryFileSchema.parse(JSON.parse(await readFile(path, "utf8"))).entries).toHaveLength(2);
  });

  it("writes what is still waiting when it is closed", async () => {
    const { open } = await fixture();
    const registry = await open();
    registry.record(row());
    await registry.close();
    expect((await open()).entries()).toEqual([row()]);
  });

  it("answers by model, backend, version and outcome", async () => {
    const { open } = await fixture();
    const registry = await open();
    const other = row({ model: "org/b", backend_version: "0.31.0", outcome: "fail" });
    for (const entry of [row(), other]) registry.record(entry);
    expect(registry.entries({ model: "org/b" })).toEqual([other]);
    expect(registry.entries({ outcome: "pass", backend: "mlx-lm" })).toEqual([row()]);
    expect(registry.entries({ backend_version: "0.31.0", outcome: "pass" })).toEqual([]);
  });

  it("knows a pass for exactly this model on exactly this runtime", async () => {
    const { open } = await fixture();
    const registry = await open();
    registry.record(row());
    expect(registry.hasPass(key)).toBe(true);
    for (const field of Object.keys(key))
      expect(registry.hasPass({ ...key, [field]: "other" }), field).toBe(false);
    expect(registry.hasPass({ ...key, digest: null })).toBe(false);
  });

  it("takes a fail or a drift for no pass", async () => {
    const { open } = await fixture();
    const registry = await open();
    for (const outcome of ["fail", "drift"] as const) registry.record(row({ outcome }));
    expect(registry.hasPass(key)).toBe(false);
  });

  it("keeps answering from memory on a full disk, and says so", async () => {
    const { open, files } = await fixture();
    const registry = await open();
    files.fail("write", "ENOSPC");
    await registry.recordDurably(row());
    expect(registry.hasPass(key)).toBe(true);
    expect(registry.degraded()).toContain("ENOSPC");
    files.heal();
    await registry.close();
    expect(registry.degraded()).toBeNull();
    expect((await open()).hasPass(key)).toBe(true);
  });
});

describe("older forms of the file", () => {
  it("a bare array with the other names is read and kept beside the new file", async () => {
    const { reading, path } = await fixture();
    const old = [
      {
        model_id: "org/a",
        backend: "mlx-lm",
        backend_version: "0.30",
        outcome: "pass",
        timestamp: "2026-02-25T10:00:00+01:00",
      },
    ];
    const registry = await reading(JSON.stringify([...old, { nonsense: true }]));
    expect(registry.entries()).toEqual([
      {
        model: "org/a",
        backend: "mlx-lm",
        backend_version: "0.30",
        outcome: "pass",
        reason: null,
        metadata: {},
        ts: "2026-02-25T09:00:00.000Z",
      },
    ]);
    await registry.recordDurably(row());
    expect(JSON.parse(await readFile(`${path}.schema-0`, "utf8"))).toHaveLength(2);
  });

  it("an object without a version, and times in seconds, are read", async () => {
    const { reading } = await fixture();
    const registry = await reading(
      JSON.stringify({ entries: [{ ...row(), ts: undefined, timestamp: 1_772_000_000.5 }] }),
    );
    expect(registry.entries()[0]?.ts).toBe("2026-02-25T06:13:20.500Z");
  });

  it("the other names are read inside today's file as well", async () => {
    const { reading } = await fixture();
    const { model, ts: timestamp, ...rest } = row();
    const registry = await reading(
      JSON.stringify({ schema: 1, entries: [{ ...rest, model_id: model, timestamp, extra: 1 }] }),
    );
    expect(registry.entries()).toEqual([row()]);
  });

  it("a file that makes no sense is set aside and reported", async () => {
    const { reading } = await fixture();
    expect((await reading('{"schema": 1, "entries": [{"model": 7}]}')).recovered).toBe("empty");
  });
});

describe("bounds", () => {
  it("holds the newest 50 rows of a key and its newest pass", async () => {
    const { open } = await fixture();
    const registry = await open();
    registry.record(row({ reason: "proof" }));
    for (let count = 0; count < 200; count += 1)
      registry.record(row({ outcome: "fail", reason: String(count) }));
    const rows = registry.entries();
    expect(rows).toHaveLength(50);
    expect(rows[0]?.reason).toBe("proof");
    expect(rows.slice(1).map(({ reason }) => Number(reason))).toEqual(
      Array.from({ length: 49 }, (_, i) => 151 + i),
    );
    expect(registry.hasPass(key)).toBe(true);
  });

  it("holds 2000 rows, the oldest dropped first, proofs last; 100000 events are no burden", async () => {
    const { open, path } = await fixture();
    const registry = await open();
    registry.record(row());
    for (let count = 0; count < 100_000; count += 1) {
      registry.record(row({ model: `org/${count % 5_000}`, outcome: "fail", reason: String(count) }));
    }
    const rows = registry.entries();
    expect(rows).toHaveLength(2_000);
    expect(rows[0]).toEqual(row());
    expect(rows[1]?.reason).toBe("98001");
    await registry.close();
    expect(JSON.parse(await readFile(path, "utf8")).entries).toHaveLength(2_000);
  });

  it("gives up proofs too when there is nothing else left to give up", async () => {
    const { open } = await fixture();
    const registry = await open();
    for (let count = 0; count < 2_100; count += 1) registry.record(row({ model: `org/${count}` }));
    expect(registry.entries()).toHaveLength(2_000);
    expect(registry.hasPass({ ...key, model: "org/0" })).toBe(false);
    expect(registry.hasPass({ ...key, model: "org/2099" })).toBe(true);
  });

  it("cuts metadata to 2 KiB and keeps the key, whatever is in it", async () => {
    const { open } = await fixture();
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const metadata = {
      stack: "x".repeat(100_000),
      cyclic,
      big: 10n,
      list: Array.from({ length: 900 }, () => 1),
      ...row().metadata,
    };
    const registry = await open();
    await registry.recordDurably(row({ metadata, reason: "y".repeat(10_000), model: "m".repeat(10_000) }));
    expect(registry.degraded()).toBeNull();
    const [stored] = (await open()).entries();
    expect(Buffer.byteLength(JSON.stringify(stored?.metadata))).toBeLessThanOrEqual(2_048);
    expect(stored?.metadata).toMatchObject({ ...row().metadata, truncated: true });
    expect(stored?.reason).toHaveLength(500);
    expect(stored?.model).toHaveLength(512);
  });

  it("keeps both bounds for any sequence of rows, and forgets no proof that it still has room for", () => {
    const models = fc.constantFrom("a", "b", "c");
    const outcomes = fc.constantFrom<RegistryEntry["outcome"]>("pass", "fail", "drift");
    fc.assert(
      fc.property(fc.array(fc.tuple(models, outcomes), { maxLength: 300, size: "max" }), (events) => {
        const rows = new BoundedRows();
        for (const [model, outcome] of events) rows.add(row({ model, outcome }));
        for (const model of ["a", "b", "c"]) {
          const ofModel = events.filter(([name]) => name === model);
          expect(rows.hasPass({ ...key, model })).toBe(ofModel.some(([, outcome]) => outcome === "pass"));
          expect(rows.all().filter((entry) => entry.model === model)).toHaveLength(
            Math.min(50, ofModel.length),
          );
        }
      }),
    );
  });
});

describe("hostile content", () => {
  it("never throws, and never yields a row outside the schema", async () => {
    const { reading } = await fixture();
    const anyRow = fc.record(
      {
        model: fc.anything(),
        model_id: fc.anything(),
        backend: fc.string(),
        outcome: fc.anything(),
        ts: fc.anything(),
        metadata: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const documents = fc.oneof(
      fc.json(),
      fc.string(),
      fc.array(anyRow).map((rows) => safeJson(rows)),
      fc.tuple(fc.anything(), fc.array(anyRow)).map(([schema, entries]) => safeJson({ schema, entries })),
    );
    await fc.assert(
      fc.asyncProperty(documents, async (content) => {
        const registry = await reading(content);
        registryFileSchema.parse({ schema: 1, entries: registry.entries() });
      }),
      { numRuns: 300 },
    );
  });
});

function safeJson(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner)) ?? ""
  );
}
