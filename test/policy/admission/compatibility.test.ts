import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compatibilitySchema } from "../../../shared/admin.ts";
import { REGISTRY_OUTCOMES, type RegistryEntry } from "../../../shared/registry.ts";
import { matrixOf, regressionsOf } from "../../../supervisor/policy/admission/compatibility.ts";
import { compareVersionTexts, parseVersion } from "../../../supervisor/policy/admission/version-range.ts";

let minute = 0;

/** `0.31 pass`: a row, a minute after the one before. */
function row(text: string, changes: Partial<RegistryEntry> = {}): RegistryEntry {
  const [backend_version = "", outcome = ""] = text.split(" ");
  return {
    model: "org/a",
    backend: "mlx-lm",
    backend_version,
    outcome: outcome as RegistryEntry["outcome"],
    reason: outcome === "pass" ? null : `${outcome} on ${backend_version}`,
    metadata: {},
    ts: new Date(Date.UTC(2026, 0, 1, 0, minute++)).toISOString(),
    ...changes,
  };
}

const rows = (...texts: string[]): RegistryEntry[] => texts.map((text) => row(text));

/** `org/a 0.31>0.32` for each regression. */
const found = (entries: readonly RegistryEntry[]): string[] =>
  regressionsOf(entries).map(({ model, passed_on, failed_on }) => `${model} ${passed_on}>${failed_on}`);

const anyEntry = fc
  .record({
    model: fc.constantFrom("org/a", "org/b", "reduced/a", "__proto__"),
    backend: fc.constantFrom("mlx-lm", "mlx-vlm"),
    backend_version: fc.constantFrom("0.31", "0.31.0", "0.32rc1", "0.32", "1.0", "unknown"),
    outcome: fc.constantFrom(...REGISTRY_OUTCOMES),
    reduced: fc.boolean(),
  })
  .map(({ reduced, ...fields }) => row("", { ...fields, metadata: reduced ? { reduced } : {} }));
const anyEntries = fc.array(anyEntry, { maxLength: 40 });

describe("matrixOf", () => {
  it("has the newest outcome of each version, and counts the others", () => {
    const entries = rows("0.31 fail", "0.31 pass", "0.31 pass", "0.32 pass", "0.32 drift", "0.32 fail");
    const [old, recent] = [entries[2]!, entries[5]!];
    expect(matrixOf(entries)).toEqual([
      {
        model: "org/a",
        cells: [
          {
            backend: "mlx-lm",
            backend_version: "0.31",
            outcome: "pass",
            reason: null,
            ts: old.ts,
            passes: 2,
            fails: 1,
          },
          {
            backend: "mlx-lm",
            backend_version: "0.32",
            outcome: "fail",
            reason: "fail on 0.32",
            ts: recent.ts,
            passes: 1,
            fails: 1,
          },
        ],
      },
    ]);
  });

  it("goes by the order of the rows, not by a clock that was set back", () => {
    const entries = [row("0.31 fail", { ts: "2027-01-01T00:00:00.000Z" }), row("0.31 pass")];
    expect(matrixOf(entries)[0]!.cells[0]).toMatchObject({ outcome: "pass", ts: entries[1]!.ts });
  });

  it("sorts models by name, and versions as versions", () => {
    const entries = [
      ...rows("0.10 pass", "0.9 pass", "unknown pass", "0.10rc1 pass"),
      row("1.0 pass", { model: "org/0" }),
    ];
    const matrix = matrixOf(entries);
    expect(matrix.map(({ model }) => model)).toEqual(["org/0", "org/a"]);
    expect(matrix[1]!.cells.map(({ backend_version }) => backend_version)).toEqual([
      "unknown",
      "0.9",
      "0.10rc1",
      "0.10",
    ]);
  });

  it("counts every row once, whatever the rows", () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        const matrix = matrixOf(entries);
        const cells = matrix.flatMap((line) => line.cells);
        const total = (outcome: string) => entries.filter((entry) => entry.outcome === outcome).length;
        expect(cells.reduce((sum, { passes }) => sum + passes, 0)).toBe(total("pass"));
        expect(cells.reduce((sum, { fails }) => sum + fails, 0)).toBe(total("fail"));
        expect(new Set(matrix.map(({ model }) => model)).size).toBe(matrix.length);
        const columns = matrix.flatMap(({ model, cells }) =>
          cells.map(({ backend, backend_version }) => `${model} ${backend} ${backend_version}`),
        );
        expect(new Set(columns).size).toBe(columns.length);
        compatibilitySchema.shape.matrix.parse(matrix);
      }),
    );
  });
});

describe("regressionsOf", () => {
  it.each([
    ["pass, then fail on a newer version", ["0.31 pass", "0.32 fail"], ["0.31>0.32"]],
    ["the newest of the older versions it passed on", ["0.30 pass", "0.31 pass", "0.32 fail"], ["0.31>0.32"]],
    ["the order in which it was tried does not matter", ["0.32 fail", "0.31 pass"], ["0.31>0.32"]],
    [
      "each failing version, the newest first",
      ["0.30 pass", "0.31 fail", "0.32 fail"],
      ["0.30>0.32", "0.30>0.31"],
    ],
    ["not what passes there since", ["0.31 pass", "0.32 fail", "0.32 pass"], []],
    ["what passed there and fails again", ["0.31 pass", "0.32 pass", "0.32 fail"], ["0.31>0.32"]],
    ["a drifted answer is no pass", ["0.31 drift", "0.32 fail"], []],
    ["a drifted answer mends no failure", ["0.31 pass", "0.32 fail", "0.32 drift"], ["0.31>0.32"]],
    ["not a failure on an older version", ["0.31 fail", "0.32 pass"], []],
    ["an older version that failed later did pass", ["0.31 pass", "0.31 fail", "0.32 fail"], ["0.31>0.32"]],
    ["versions as numbers: 0.10 is newer than 0.9", ["0.9 pass", "0.10 fail"], ["0.9>0.10"]],
    ["versions as numbers: 0.9 is older than 0.10", ["0.10 pass", "0.9 fail"], []],
    ["a pre-release is older than its release", ["0.32rc1 pass", "0.32 fail"], ["0.32rc1>0.32"]],
    ["one version written in two ways is one", ["0.32 pass", "0.32.0 fail"], []],
    ["a pass of the other spelling counts", ["0.31 pass", "0.32 fail", "0.32.0 pass"], []],
    ["what is no version is not compared", ["unknown pass", "0.32 fail", "main fail"], []],
    ["nothing of nothing", [], []],
  ] as const)("%s", (_name, texts, expected) => {
    expect(found(rows(...texts))).toEqual(expected.map((text) => `org/a ${text}`));
  });

  it("has reason and time of the newest failure", () => {
    const entries = [
      ...rows("0.31 pass", "0.32 fail"),
      row("0.32 fail", { reason: "SIGSEGV" }),
      row("0.32 drift"),
    ];
    expect(regressionsOf(entries)).toEqual([
      {
        model: "org/a",
        backend: "mlx-lm",
        passed_on: "0.31",
        failed_on: "0.32",
        reason: "SIGSEGV",
        ts: entries[2]!.ts,
      },
    ]);
  });

  it("compares neither across models nor across backends", () => {
    expect(found([row("0.31 pass", { model: "org/b" }), row("0.32 fail")])).toEqual([]);
    expect(found([row("0.31 pass", { backend: "mlx-vlm" }), row("0.32 fail")])).toEqual([]);
  });

  it("finds only true ones, and all of them", () => {
    const isOlder = (a: string, b: string) => compareVersionTexts(a, b) < 0 && parseVersion(a) !== null;
    fc.assert(
      fc.property(anyEntries, (all) => {
        const entries = all.filter(({ metadata }) => metadata.reduced === undefined);
        const regressions = regressionsOf(entries);
        compatibilitySchema.shape.regressions.parse(regressions);
        for (const { model, backend, passed_on, failed_on } of regressions) {
          const of = entries.filter((entry) => entry.model === model && entry.backend === backend);
          expect(of.some((entry) => entry.backend_version === passed_on && entry.outcome === "pass")).toBe(
            true,
          );
          expect(isOlder(passed_on, failed_on)).toBe(true);
        }
        for (const [index, { model, backend, backend_version, outcome }] of entries.entries()) {
          const same = (entry: RegistryEntry) => entry.model === model && entry.backend === backend;
          const isThere = (entry: RegistryEntry) =>
            same(entry) && compareVersionTexts(entry.backend_version, backend_version) === 0;
          const passesSince = entries
            .slice(index)
            .some((entry) => isThere(entry) && entry.outcome === "pass");
          const passedBefore = entries.some(
            (entry) =>
              same(entry) && entry.outcome === "pass" && isOlder(entry.backend_version, backend_version),
          );
          const isReported = regressions.some(
            (one) =>
              one.model === model &&
              one.backend === backend &&
              compareVersionTexts(one.failed_on, backend_version) === 0,
          );
          if (outcome !== "fail" || parseVersion(backend_version) === null) continue;
          expect(isReported).toBe(passedBefore && !passesSince);
        }
      }),
    );
  });
});

describe("rows of reduced weights", () => {
  const reduced = { metadata: { reduced: true } };

  it("stay apart from the real weights by their name", () => {
    const entries = [row("0.31 pass", { ...reduced, model: "reduced/glm4_moe" }), row("0.32 fail")];
    expect(matrixOf(entries).map(({ model }) => model)).toEqual(["org/a", "reduced/glm4_moe"]);
    expect(found(entries)).toEqual([]);
  });

  it("stay apart under the model's own name too", () => {
    const entries = [row("0.31 pass", reduced), row("0.32 fail"), row("0.32 fail", reduced)];
    expect(matrixOf(entries).map(({ model, cells }) => [model, cells.length])).toEqual([
      ["org/a", 1],
      ["reduced/org/a", 2],
    ]);
    expect(found(entries)).toEqual(["reduced/org/a 0.31>0.32"]);
  });
});

describe("compareVersionTexts", () => {
  it("sorts any texts the same way from any order, versions last", () => {
    const text = fc.constantFrom("0.9", "0.10", "0.10rc1", "1!0.1", "main", "unknown", "");
    fc.assert(
      fc.property(fc.uniqueArray(text), fc.uniqueArray(text), (a, b) => {
        const both = [...new Set([...a, ...b])];
        expect(both.toSorted(compareVersionTexts)).toEqual(both.toReversed().toSorted(compareVersionTexts));
      }),
    );
    expect(["0.10", "unknown", "0.9", "main"].toSorted(compareVersionTexts)).toEqual([
      "main",
      "unknown",
      "0.9",
      "0.10",
    ]);
  });
});
