import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dossierSchema } from "../../../shared/dossier.ts";
import {
  buildDossier,
  dossierId,
  isDossierId,
  MOST_STDERR_BYTES,
  nextAfterDeath,
  summaryOf,
  surplusDossiers,
} from "../../../supervisor/policy/diagnosis/dossier.ts";
import { matchReports, namesProcess } from "../../../supervisor/policy/diagnosis/dossier-crash-report.ts";
import {
  memoryReadings,
  NO_MEMORY_HISTORY,
  noteMemory,
} from "../../../supervisor/policy/diagnosis/dossier-memory.ts";
import { stackDumpIn } from "../../../supervisor/policy/diagnosis/dossier-stack-dump.ts";
import { type Model, NEW_MODEL } from "../../../supervisor/policy/lifecycle/model-state.ts";
import { DEATH, deathReport } from "../../support/fake-death.ts";

const reason = { code: "worker_crashed", cause: "native_segv", message: "it died" };

describe("a dossier", () => {
  it("tells who died, when, of what, and what was done", () => {
    const dossier = buildDossier(deathReport(), (text) => text);
    expect(dossierSchema.parse(dossier)).toEqual(dossier);
    expect(dossier).toMatchObject({
      id: DEATH.id,
      model: "m",
      at: "2026-11-20T10:00:00.000Z",
      phase: "serving",
      class: "crash",
      cause: "native_segv",
      counted: true,
      signal: "SIGSEGV",
      exit_code: null,
      ended_by: null,
      in_flight: ["req_1"],
      fingerprints: ["f1"],
      memory_timeline: [{ at: "2026-11-20T09:59:59.000Z", bytes: 5 }],
      next: { action: "restarted", after_ms: 0 },
    });
  });

  it("has every text cleaned, what the worker says of itself too", () => {
    const failure = { class: "crash", reason: { ...reason, cause: "SECRET", message: "SECRET" } } as const;
    const report = deathReport({ failure, stderrTail: "SECRET\n", intent: "SECRET" });
    const text = JSON.stringify(buildDossier(report, (one) => one.replaceAll("SECRET", "-")));
    expect(text).not.toContain("SECRET");
  });

  it("counts nothing against the model that was not its fault", () => {
    const counted = (failure: Parameters<typeof deathReport>[0]) =>
      buildDossier(deathReport(failure), String).counted;
    expect(counted({ failure: { class: "crash", counts: false, reason } })).toBe(false);
    expect(counted({ failure: { class: "environment", reason } })).toBe(false);
    expect(counted({ failure: { class: "resource", reason } })).toBe(true);
  });

  it("keeps at most 64 KiB of stderr, whole characters, and no line that was cut in front", () => {
    const tail = `cut-off-key\n${"é".repeat(MOST_STDERR_BYTES / 2)}`;
    const { stderr_tail } = buildDossier(deathReport({ stderrTail: tail }), String);
    expect(Buffer.byteLength(stderr_tail)).toBe(MOST_STDERR_BYTES);
    expect(stderr_tail).not.toContain("key");
    const longer = buildDossier(deathReport({ stderrTail: `x${"é".repeat(40_000)}` }), String);
    expect(Buffer.byteLength(longer.stderr_tail)).toBeLessThanOrEqual(MOST_STDERR_BYTES);
    expect(longer.stderr_tail).not.toContain("\ufffd");
  });

  it("is shortened in a list", () => {
    const dossier = buildDossier(deathReport({ stderrTail: `${"a".repeat(5_000)}end` }), String);
    const summary = summaryOf(dossier);
    expect(summary.stderr_tail).toHaveLength(2_048);
    expect(summary.stderr_tail.endsWith("end")).toBe(true);
    expect(summary).not.toHaveProperty("stack_dump");
  });
});

describe("what came next", () => {
  const at = (state: Model["state"], record = NEW_MODEL.record) =>
    nextAfterDeath({ ...NEW_MODEL, state, record }, 1_000);

  it.each([
    [{ kind: "unloaded", reason }, { action: "unloaded" }],
    [
      { kind: "admitted", reason, notBefore: 3_500, permit: "none" },
      { action: "restarted", after_ms: 2_500 },
    ],
    [
      { kind: "admitted", reason, notBefore: 500, permit: "asked" },
      { action: "restarted", after_ms: 0 },
    ],
    [
      { kind: "loading", worker: 2 },
      { action: "restarted", after_ms: 0 },
    ],
    [
      { kind: "quarantined", reason, by: "verdict" },
      { action: "quarantined", until: null },
    ],
  ] as const)("%j is %j", (state, expected) => {
    expect(at(state)).toEqual(expected);
  });

  it("names the end of a quarantine", () => {
    const standing = { kind: "quarantined", until: 60_000, rule: "threshold", cause: "x" } as const;
    const record = { ...NEW_MODEL.record, standing };
    expect(at({ kind: "quarantined", reason, by: "failures" }, record)).toEqual({
      action: "quarantined",
      until: "1970-01-01T00:01:00.000Z",
    });
  });
});

describe("ids", () => {
  it("sort by time and are harmless in a path", () => {
    const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(time, time, (one, other) => {
        const [a, b] = [dossierId(one, "ffffff"), dossierId(other, "000000")];
        expect(isDossierId(a)).toBe(true);
        if (one !== other) expect(a < b).toBe(one < other);
      }),
    );
    expect(["../x", "", `${dossierId(0, "abcdef")}/..`].filter(isDossierId)).toEqual([]);
  });
});

describe("which dossiers must go", () => {
  it("are the oldest, as many as it takes for both limits, and never the newest", () => {
    const limits = { mostCount: 3, mostBytes: 100 };
    const sizes = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, (bytes) => {
        const kept = bytes.map((size, index) => ({ id: String(index), bytes: size }));
        const gone = surplusDossiers(kept, limits);
        expect(gone).toEqual(kept.slice(0, gone.length));
        const left = kept.slice(gone.length);
        const fits = (some: typeof kept) =>
          some.length <= 3 && some.reduce((sum, one) => sum + one.bytes, 0) <= 100;
        expect(fits(left) || left.length === 1).toBe(true);
        if (gone.length > 0) expect(fits(kept.slice(gone.length - 1))).toBe(false);
      }),
    );
  });
});

describe("the stacks in stderr", () => {
  const FRAMES = '  File "/x/worker.py", line 12 in run\n  File "/x/__main__.py", line 3 in <module>';

  it("are those of a crash, with the line that names it, without what follows", () => {
    const stderr = `noise\nFatal Python error: Segmentation fault\n\nThread 0x00007f01 (most recent call first):\n  <no Python frame>\n\nCurrent thread 0x00007f02 (most recent call first):\n${FRAMES}\n\nExtension modules: mlx.core (total: 1)\n`;
    expect(stackDumpIn(stderr)).toBe(
      `Fatal Python error: Segmentation fault\n\nThread 0x00007f01 (most recent call first):\n  <no Python frame>\n\nCurrent thread 0x00007f02 (most recent call first):\n${FRAMES}`,
    );
  });

  it("are the last ones there are", () => {
    const dump = (thread: string) => `Current thread 0x${thread} (most recent call first):\n${FRAMES}\n`;
    expect(stackDumpIn(`${dump("aa")}loading\n${dump("bb")}`)).toContain("0xbb");
    expect(stackDumpIn(`${dump("aa")}loading\n${dump("bb")}`)).not.toContain("0xaa");
  });

  it("have a thread's name and the C stack of newer Pythons", () => {
    const stderr = `Current thread 0x00aa [MainThread] (most recent call first):\n${FRAMES}\n\nCurrent thread's C stack trace (most recent call first):\n  Binary file "/x/python", at _Py_DumpStack+0x38\n`;
    expect(stackDumpIn(stderr)?.split("\n").at(-1)).toContain("_Py_DumpStack");
    expect(stackDumpIn(stderr)?.split("\n")[0]).toContain("MainThread");
  });

  it("are none where there are none", () => {
    expect(stackDumpIn('Traceback (most recent call last):\n  File "x", line 1\nValueError: no')).toBeNull();
    expect(stackDumpIn("")).toBeNull();
  });
});

describe("the memory of the last minutes", () => {
  it("is bounded, in order, fine at the end and coarse before", () => {
    let history = NO_MEMORY_HISTORY;
    for (let index = 0; index < 4_000; index += 1)
      history = noteMemory(history, { at: index * 250, bytes: index });
    const readings = memoryReadings(history);
    expect(readings).toHaveLength(220);
    expect(readings.at(-1)).toEqual({ at: 3_999 * 250, bytes: 3_999 });
    const steps = readings.slice(1).map(({ at }, index) => at - readings[index]!.at);
    expect(Math.min(...steps)).toBe(250);
    expect(Math.max(...steps)).toBe(1_000);
    expect(readings.at(-1)!.at - readings[0]!.at).toBeGreaterThan(180_000);
  });

  it("goes on when the clock is set back", () => {
    let history = NO_MEMORY_HISTORY;
    for (let index = 0; index < 100; index += 1)
      history = noteMemory(history, { at: 1e9 + index * 1_000, bytes: 1 });
    for (let index = 0; index < 100; index += 1)
      history = noteMemory(history, { at: index * 1_000, bytes: 2 });
    expect(memoryReadings(history).filter(({ bytes }) => bytes === 2).length).toBe(100);
  });
});

describe("the system's crash reports", () => {
  const at = Date.UTC(2026, 10, 20, 9, 0, 2);
  // One hour east of Greenwich, where names have local time.
  const death = { at, offsetMinutes: -60, signal: "SIGSEGV" };
  const files = (...names: string[]) => names.map((name) => ({ name, path: `/reports/${name}` }));
  const matched = (facts: Partial<typeof death>, ...names: string[]) =>
    matchReports(files(...names), { ...death, ...facts }).map(({ name }) => name);

  it("match by the name of the process and the time, the nearest first", () => {
    expect(
      matched(
        {},
        "python3.12-2026-11-20-100102.ips",
        "python3.12-2026-11-20-100003.ips",
        "Python-2026-11-20-100004.0002.ips",
        "python-2026-11-20-100002.ips",
        "python3.12_2026-11-20-100005_mac.crash",
        "python3.12-2026-11-20-090003.ips",
        "python3.12-2026-11-19-100003.ips",
        "node-2026-11-20-100003.ips",
        "pythonic-2026-11-20-100003.ips",
        "JetsamEvent-2026-11-20-100003.ips",
        "python3.12-2026-11-20-100003.diag",
        ".DS_Store",
      ),
    ).toEqual([
      "python-2026-11-20-100002.ips",
      "python3.12-2026-11-20-100003.ips",
      "Python-2026-11-20-100004.0002.ips",
      "python3.12_2026-11-20-100005_mac.crash",
      "python3.12-2026-11-20-100102.ips",
    ]);
  });

  it("are the memory guard's for a SIGKILL, and only then", () => {
    const names = ["JetsamEvent-2026-11-20-100003.ips", "python3.12-2026-11-20-100003.ips"];
    expect(matched({ signal: "SIGKILL" }, ...names)).toEqual([names[0]]);
  });

  it("are ours when they name the process id", () => {
    expect(namesProcess('{"app_name":"python3.12"}\n{ "pid" : 4711, "x": 1}', 4711)).toBe(true);
    expect(namesProcess('{"pid":4712},{"pid":4711}', 4711)).toBe(true);
    expect(namesProcess("Process:               python3.12 [4711]\n", 4711)).toBe(true);
    expect(namesProcess('{"pid":47110}', 4711)).toBe(false);
    expect(namesProcess("", 4711)).toBeNull();
  });
});
