import { describe, expect, it } from "vitest";
import type { Compatibility } from "../../shared/admin.ts";
import type { RegistryEntry } from "../../shared/registry.ts";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const row = (
  model: string,
  backend_version: string,
  outcome: RegistryEntry["outcome"],
  reason: string | null = null,
): RegistryEntry => ({
  model,
  backend: "mlx-lm",
  backend_version,
  outcome,
  reason,
  metadata: {},
  ts: "2026-11-20T10:00:30.000Z",
});

const cell = (backend_version: string, outcome: RegistryEntry["outcome"], passes: number, fails: number) => ({
  backend: "mlx-lm",
  backend_version,
  outcome,
  reason: null,
  ts: "2026-11-20T10:00:30.000Z",
  passes,
  fails,
});

const ANSWER: Compatibility = {
  object: "list",
  data: [row("org/a", "0.32.2", "fail", "worker_crashed: SIGSEGV"), row("lmx-demo", "0.31", "pass")],
  matrix: [
    { model: "lmx-demo", cells: [cell("0.9", "pass", 3, 1), cell("0.32.2", "drift", 0, 0)] },
    { model: "org/a", cells: [cell("0.10", "pass", 1, 0), cell("0.32.2", "fail", 0, 2)] },
  ],
  regressions: [
    {
      model: "org/a",
      backend: "mlx-lm",
      passed_on: "0.10",
      failed_on: "0.32.2",
      reason: "worker_crashed: SIGSEGV",
      ts: "2026-11-20T10:00:30.000Z",
    },
  ],
};
const EMPTY: Compatibility = { object: "list", data: [], matrix: [], regressions: [] };
const PATH = "/admin/models/compatibility";

describe("compat", () => {
  it("lists the results as they come, with their reasons", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ANSWER));
    const { code, out } = await lmx(["compat", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "WHEN (UTC)        MODEL     BACKEND  VERSION  OUTCOME",
        "2026-11-20 10:00  org/a     mlx-lm   0.32.2   fail",
        "  worker_crashed: SIGSEGV",
        "2026-11-20 10:00  lmx-demo  mlx-lm   0.31     pass",
        "",
      ].join("\n"),
    );
    expect(asked).toMatchObject([{ method: "GET", path: PATH }]);
  });

  it("asks for what its options say", async () => {
    const { url, asked } = await fakeSupervisor(always(200, EMPTY));
    const args = ["-m", "org/a b&c", "--backend", "mlx-lm", "--outcome", "fail", "-n", "7"];
    const { out } = await lmx(["compat", ...args, "--url", url]);
    expect(asked[0]!.path).toBe(`${PATH}?model=org%2Fa+b%26c&backend=mlx-lm&outcome=fail&limit=7`);
    expect(out).toContain("There is no such result yet");
  });

  it("shows the newest 40 unless told otherwise, and says how many more there are", async () => {
    const data = Array.from({ length: 45 }, (_, index) => row(`org/${index}`, "0.32", "pass"));
    const { url } = await fakeSupervisor(always(200, { ...EMPTY, data }));
    const { out } = await lmx(["compat", "--url", url]);
    expect(out).toContain("org/39 ");
    expect(out).not.toContain("org/40 ");
    expect(out).toContain("\n\n5 older: lmx compat --limit 45\n");
    expect((await lmx(["compat", "--limit", "45", "--url", url])).out).toContain("org/44 ");
    expect(JSON.parse((await lmx(["compat", "--json", "--url", url])).out).data).toHaveLength(45);
  });

  it.each([
    [["--outcome", "perfect"], '--outcome: expected one of pass, fail, drift, got "perfect".'],
    [["--limit", "0"], "--limit: expected a whole number from 1 to 2000"],
    [["matrx"], 'There is no command "compat matrx". Did you mean "lmx compat matrix"?'],
    [["matrix", "org/a"], 'Expected "lmx compat matrix", got 1 argument.'],
  ])("%j is explained and exits 64", async (args, message) => {
    const { code, err } = await lmx(["compat", ...args, "--url", "http://127.0.0.1:1"]);
    expect([code, err]).toEqual([64, expect.stringContaining(message)]);
  });

  it("prints the whole answer with --json, and a refusal like every command", async () => {
    const { url } = await fakeSupervisor(always(200, ANSWER));
    expect(JSON.parse((await lmx(["compat", "--json", "--url", url])).out)).toEqual(ANSWER);
    const locked = await fakeSupervisor(always(401, errorBody("invalid_api_key", "No.")));
    expect(await lmx(["compat", "--url", locked.url])).toMatchObject({ code: 77 });
  });

  it("shows nothing that could steer the terminal", async () => {
    const hostile = { ...row("a\u001b[2J", "\u001b", "fail", "b\u001bc"), backend: "\u001bx" };
    const regression = { ...ANSWER.regressions[0]!, model: "a\u001b", reason: "b\u001bc" };
    const line = { model: "a\u001b", cells: [{ ...cell("1\u001b", "pass", 1, 0), backend: "\u001b" }] };
    const answer = { ...EMPTY, data: [hostile], matrix: [line], regressions: [regression] };
    const { url } = await fakeSupervisor(always(200, answer));
    for (const words of [["compat"], ["compat", "matrix"], ["compat", "regressions"]])
      expect((await lmx([...words, "--url", url])).out).not.toContain("\u001b");
  });
});

describe("compat matrix", () => {
  it("has a column per version, the oldest first, and a row per model", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ANSWER));
    const { code, out } = await lmx(["compat", "matrix", "--backend", "mlx-lm", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "MODEL     mlx-lm 0.9  mlx-lm 0.10  mlx-lm 0.32.2",
        "lmx-demo  pass 3/4    -            drift",
        "org/a     -           pass 1/1     fail 0/2",
        "",
      ].join("\n"),
    );
    expect(asked[0]!.path).toBe(`${PATH}?backend=mlx-lm&limit=1`);
  });

  it("prints the matrix alone with --json, and says when there is none", async () => {
    const { url } = await fakeSupervisor(always(200, ANSWER));
    const { out } = await lmx(["compat", "matrix", "--json", "--url", url]);
    expect(JSON.parse(out)).toEqual({ matrix: ANSWER.matrix });
    const empty = await fakeSupervisor(always(200, EMPTY));
    expect((await lmx(["compat", "matrix", "--url", empty.url])).out).toContain("no such result yet");
  });
});

describe("compat regressions", () => {
  it("lists what stopped working, with the reason, and exits 0", async () => {
    const { url } = await fakeSupervisor(always(200, ANSWER));
    const { code, out } = await lmx(["compat", "regressions", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "MODEL  BACKEND  PASSED ON  FAILS ON  SINCE (UTC)",
        "org/a  mlx-lm   0.10       0.32.2    2026-11-20 10:00",
        "  worker_crashed: SIGSEGV",
        "",
      ].join("\n"),
    );
  });

  it("prints the list alone with --json, and says when there is nothing", async () => {
    const { url } = await fakeSupervisor(always(200, ANSWER));
    const { out } = await lmx(["compat", "regressions", "--json", "--url", url]);
    expect(JSON.parse(out)).toEqual({ regressions: ANSWER.regressions });
    const empty = await fakeSupervisor(always(200, EMPTY));
    expect((await lmx(["compat", "regressions", "--url", empty.url])).out).toMatch(/^No regressions/);
  });
});
