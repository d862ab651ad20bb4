import { describe, expect, it } from "vitest";
import type { ProbeResult } from "../../shared/admin.ts";
import type { CliIo } from "../../supervisor/cli/command.ts";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const GIB = 1024 ** 3;

const ADMITTED: ProbeResult = {
  model_id: "org/a",
  verdict: "admit",
  code: null,
  checks: [
    { name: "config", status: "pass", detail: "found and readable", next_step: "not shown" },
    { name: "chat template", status: "pass", detail: "found" },
  ],
  memory: {
    weights_bytes: 2 * GIB,
    kv_bytes_per_token: 128 * 1024,
    required_bytes: 3 * GIB,
    available_bytes: 12 * GIB,
  },
};

const REFUSED: ProbeResult = {
  model_id: "org/a",
  verdict: "refuse",
  code: "model_incomplete",
  checks: [
    { name: "config", status: "pass", detail: "found and readable" },
    {
      name: "weights",
      status: "fail",
      detail: "model-2.safetensors is 10 bytes\nmodel-3.safetensors is missing",
      expected: "3 whole files",
      next_step: "lmx repair org/a",
    },
    { name: "advisories", status: "warn", detail: "mlx 0.32 is slow", expected: null, next_step: null },
  ],
  memory: { weights_bytes: null, kv_bytes_per_token: null, required_bytes: null, available_bytes: null },
};

/** A terminal that keeps what is written to it. */
function terminal(): { readonly io: Partial<CliIo>; readonly shown: () => string } {
  let shown = "";
  const write = (text: string) => {
    shown += text;
  };
  return { io: { stdout: { isTTY: true, write } }, shown: () => shown };
}

describe("probe", () => {
  it("asks about the model and prints a line per check, the memory and the verdict", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ADMITTED));
    const { code, out, err } = await lmx(["probe", "org/a", "--url", url]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(
      [
        "ok    config         found and readable",
        "ok    chat template  found",
        "",
        "memory: weights 2.0 GiB, KV cache 128.0 KiB per token, needs 3.0 GiB, free 12.0 GiB",
        "verdict: admit",
        "",
      ].join("\n"),
    );
    expect(asked).toMatchObject([
      { method: "POST", path: "/admin/models/probe", body: { model_id: "org/a" } },
    ]);
  });

  it("says below what does not pass what was expected and what to do", async () => {
    const { url } = await fakeSupervisor(always(200, REFUSED));
    const { code, out } = await lmx(["probe", "org/a", "--url", url]);
    expect(code).toBe(1);
    expect(out).toBe(
      [
        "ok    config      found and readable",
        "FAIL  weights     model-2.safetensors is 10 bytes",
        "                  model-3.safetensors is missing",
        "                  expected: 3 whole files",
        "                  next: lmx repair org/a",
        "warn  advisories  mlx 0.32 is slow",
        "",
        "memory: not known, because an earlier check failed",
        "verdict: refuse (model_incomplete)",
        "",
      ].join("\n"),
    );
  });

  it.each([
    ["model_unsupported_arch", 1],
    ["insufficient_memory", 1],
    ["worker_runtime_broken", 75],
    [null, 1],
  ] as const)("refused with %s exits as the load would", async (reason, exitCode) => {
    const { url } = await fakeSupervisor(always(200, { ...REFUSED, code: reason }));
    const { code, out } = await lmx(["probe", "org/a", "--url", url]);
    expect(code).toBe(exitCode);
    expect(out).toContain(`\nverdict: refuse${reason === null ? "" : ` (${reason})`}\n`);
  });

  it.each([
    [{ LANG: "en_US.UTF-8" }, "\u2713", "\u2717"],
    [{ LC_ALL: "C.utf8", LANG: "C" }, "\u2713", "\u2717"],
    [{ LC_ALL: "C", LANG: "en_US.UTF-8" }, "ok", "FAIL"],
    [{}, "ok", "FAIL"],
    [{ LANG: "en_US.UTF-8", NO_COLOR: "1" }, "ok", "FAIL"],
    [{ LANG: "en_US.UTF-8", TERM: "dumb" }, "ok", "FAIL"],
  ])("on a terminal with %j marks with %s and %s", async (env, good, bad) => {
    const { url } = await fakeSupervisor(always(200, REFUSED));
    const { io, shown } = terminal();
    await lmx(["probe", "org/a", "--url", url], env as Record<string, string>, io);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
    const text = shown().replaceAll(/\u001b\[\d+m/g, "");
    expect(text).toMatch(new RegExp(`^${good} +config `));
    expect(text).toMatch(new RegExp(`^${bad} +weights `, "m"));
    expect(shown().includes("\u001b")).toBe(!("NO_COLOR" in env || "TERM" in env));
  });

  it("cannot be made to steer the terminal by a model's files", async () => {
    const hostile = {
      name: "we\u001bights",
      status: "fail" as const,
      detail: "a\u001b[2Jb",
      next_step: "c\u001bd",
    };
    const { url } = await fakeSupervisor(always(200, { ...REFUSED, checks: [hostile] }));
    expect((await lmx(["probe", "org/a", "--url", url])).out).not.toContain("\u001b");
  });

  it("passes --allow-unsupported-runtime on, and --json prints the answer", async () => {
    const { url, asked } = await fakeSupervisor(always(200, REFUSED));
    const args = ["probe", "org/a", "--allow-unsupported-runtime", "--json", "--url", url];
    const { code, out } = await lmx(args);
    expect(asked[0]!.body).toEqual({ model_id: "org/a", allow_unsupported_runtime: true });
    expect(JSON.parse(out)).toEqual(REFUSED);
    expect(code).toBe(1);
  });

  it("of an unknown model exits 66", async () => {
    const { url } = await fakeSupervisor(always(404, errorBody("model_not_found", "No model x.")));
    expect(await lmx(["probe", "x", "--url", url])).toMatchObject({ code: 66, out: "" });
  });
});

describe("load --dry-run", () => {
  it.each([
    [ADMITTED, 0],
    [REFUSED, 1],
  ])("prints and exits as probe does, and loads nothing", async (result, exitCode) => {
    const { url, asked } = await fakeSupervisor(always(200, result));
    const flags = ["org/a", "--allow-unsupported-runtime", "--url", url];
    const dryRun = await lmx(["load", "--dry-run", ...flags]);
    expect(asked.map(({ path }) => path)).toEqual(["/admin/models/probe"]);
    expect(dryRun.code).toBe(exitCode);
    expect(dryRun).toEqual(await lmx(["probe", ...flags]));
    expect(asked[1]!.body).toEqual(asked[0]!.body);
  });
});
