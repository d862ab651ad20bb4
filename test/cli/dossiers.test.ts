import { describe, expect, it } from "vitest";
import type { Dossier } from "../../shared/dossier.ts";
import { buildDossier, summaryOf } from "../../supervisor/policy/diagnosis/dossier.ts";
import { deathReport } from "../support/fake-death.ts";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const ID = "20261120T100000000Z-abcdef";
const STACKS = 'Current thread 0x00aa (most recent call first):\n  File "~/x.py", line 1 in run';
const dossier = (changes: Partial<Dossier> = {}): Dossier => ({
  ...buildDossier(deathReport({ stderrTail: `loading\n${STACKS}\n` }), String),
  ...changes,
});

const list = (...data: Dossier[]) => ({
  object: "list",
  data: data.map(summaryOf),
  unreadable: [] as string[],
});

describe("dossiers", () => {
  it("lists who died, of what, and what came next", async () => {
    const quarantined = dossier({
      model: "org/b",
      cause: "hung",
      signal: "SIGKILL",
      ended_by: "ended by the supervisor (kill)",
      next: { action: "quarantined", until: null },
    });
    const { url, asked } = await fakeSupervisor(always(200, list(dossier(), quarantined)));
    const { code, out } = await lmx(["dossiers", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "WHEN (UTC)        MODEL  CAUSE        ENDED BY        THEN         ID",
        `2026-11-20 10:00  m      native_segv  SIGSEGV         restarted    ${ID}`,
        `2026-11-20 10:00  org/b  hung         SIGKILL, by us  quarantined  ${ID}`,
        "",
      ].join("\n"),
    );
    expect(asked).toMatchObject([{ path: "/admin/models/dossiers?limit=20" }]);
  });

  it("asks for what its options say", async () => {
    const { url, asked } = await fakeSupervisor(always(200, list(dossier())));
    const { out } = await lmx(["dossiers", "--model", "org/a b", "--limit", "3", "--json", "--url", url]);
    expect(JSON.parse(out)).toEqual(list(dossier()));
    expect(asked).toMatchObject([{ path: "/admin/models/dossiers?model=org%2Fa+b&limit=3" }]);
  });

  it("says when there are none, and which files cannot be read", async () => {
    const { url } = await fakeSupervisor(always(200, { ...list(), unreadable: ["x.json"] }));
    expect((await lmx(["dossiers", "--url", url])).out).toBe(
      "No worker has died.\nA file in dossiers cannot be read: x.json\n",
    );
  });
});

describe("dossiers show", () => {
  it("reads like a short report", async () => {
    const samples = [1, 2, 8].map((gib, index) => ({
      at: `2026-11-20T09:59:5${index}.000Z`,
      bytes: gib * 1024 ** 3,
    }));
    const one = dossier({ memory_timeline: samples, memory_cap_bytes: 9 * 1024 ** 3 });
    const { url, asked } = await fakeSupervisor(always(200, one));
    const { code, out } = await lmx(["dossiers", "show", ID, "--url", url]);
    expect(code).toBe(0);
    expect(asked).toMatchObject([{ path: `/admin/models/dossiers/${ID}` }]);
    expect(out).toBe(
      [
        `Dossier ${ID}`,
        "",
        "The worker of m died at 2026-11-20 10:00:00 UTC while it served, after 3m.",
        "",
        "  Cause         native_segv (crash)",
        "  What          The worker died of SIGSEGV",
        "  Advice        Update the runtime",
        "  Recovery      start it again at once",
        "  Ended by      SIGSEGV",
        "  Then          restarted",
        "  In flight     1 request: req_1",
        "  Memory        8.0 GiB at the end, at most 8.0 GiB in the last 2s, cap 9.0 GiB",
        "                ▂▃█",
        "  Process       pid 4711, started 2026-11-20T09:57:00.000Z",
        "  Versions      mlx 0.1",
        "",
        "Stacks",
        "  Current thread 0x00aa (most recent call first):",
        '    File "~/x.py", line 1 in run',
        "",
        "Last words",
        "  loading",
        "  Current thread 0x00aa (most recent call first):",
        '    File "~/x.py", line 1 in run',
        "",
      ].join("\n"),
    );
  });

  it("shows the end of long last words and nothing that could steer the terminal", async () => {
    const one = dossier({
      stderr_tail: Array.from({ length: 100 }, (_, index) => `\u001b[2Jline ${index}`).join("\n"),
      message: "a\u001b[2Jb",
      stack_dump: null,
      memory_timeline: [],
      next: { action: "restarted", after_ms: 1_500 },
    });
    const { url } = await fakeSupervisor(always(200, one));
    const { out } = await lmx(["dossiers", "show", ID, "--url", url]);
    expect(out).not.toContain("\u001b");
    expect(out).toContain("Last words (60 earlier lines: --json)");
    expect(out).toContain("line 60\n");
    expect(out).not.toContain("line 59\n");
    expect(out).toContain("restarted after 1.5 s");
    expect(out).toContain("not known");
    expect(out).not.toContain("Stacks");
    expect(JSON.parse((await lmx(["dossiers", "show", ID, "--json", "--url", url])).out)).toEqual(one);
  });

  it("fails for one that is not there", async () => {
    const { url } = await fakeSupervisor(always(404, errorBody("not_found", "No dossier x.")));
    const { code, err } = await lmx(["dossiers", "show", "x", "--url", url]);
    expect([code, err]).toEqual([1, "lmx: No dossier x.\n"]);
  });

  it("shows the newest when none is named, also of one model", async () => {
    const { url, asked } = await fakeSupervisor(({ path }) => ({
      status: 200,
      body: path.includes("?") ? list(dossier()) : dossier(),
    }));
    const { code, out } = await lmx(["dossiers", "show", "-m", "org/a", "--url", url]);
    expect(code).toBe(0);
    expect(out).toContain(`Dossier ${ID}`);
    expect(asked.map(({ path }) => path)).toEqual([
      "/admin/models/dossiers?model=org%2Fa&limit=1",
      `/admin/models/dossiers/${ID}`,
    ]);
    const none = await fakeSupervisor(always(200, list()));
    const { code: failed, err } = await lmx(["dossiers", "show", "--url", none.url]);
    expect([failed, err]).toEqual([1, "lmx: No worker has died.\n"]);
  });

  it("a word that is no command of its own gets a hint", async () => {
    expect((await lmx(["dossiers", "shwo", "x"])).err).toContain('"lmx dossiers show"');
  });
});
