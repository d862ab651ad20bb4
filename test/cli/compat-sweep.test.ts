import { describe, expect, it } from "vitest";
import type { SweepResult, SweepStatus } from "../../shared/admin-sweep.ts";
import {
  type Answer,
  always,
  errorBody,
  fakeSupervisor,
  model,
  modelList,
  readiness,
} from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const PATH = "/admin/models/compatibility/sweep";
const LIMIT = { kind: "cannot-batch", reason: "no batched form" };

const result = (
  arch: string,
  outcome: SweepResult["outcome"],
  more: Partial<SweepResult> = {},
): SweepResult => ({
  arch,
  outcome,
  reason: null,
  limit: null,
  load_seconds: outcome === "pass" ? 0.0123 : null,
  peak_memory_bytes: outcome === "pass" ? 795_816 : null,
  ...more,
});
const status = (
  state: SweepStatus["state"],
  results: SweepResult[],
  more: Partial<SweepStatus> = {},
): SweepStatus => ({
  id: "s1",
  state,
  total: 4,
  done: results.length,
  current: state === "running" ? "llama" : null,
  runtime: {
    backend: "mlx-lm",
    backend_version: "0.32.2",
    mlx_version: "0.32.4",
    python_version: "3.11.7",
    platform: "linux-x64",
  },
  started_at: "2026-11-20T10:00:00.000Z",
  results,
  ...more,
});
const EXPECTED = [
  result("gear", "fail", { reason: "model_incomplete: no batched form", limit: LIMIT }),
  result("gpt_bigcode", "pass", { limit: LIMIT }),
  result("llama", "pass"),
  result("olmo", "skipped", { reason: "needs ai2-olmo" }),
];
const SURPRISE = result("qwen3", "fail", { reason: "worker_crashed: SIGSEGV" });

/** A supervisor whose sweep shows these states, one per look, the last for ever. */
function sweeping(...states: SweepStatus[]): Answer {
  let looks = 0;
  return ({ method, path }) => {
    if (path === `${PATH}/cancel`) return { status: 200, body: status("cancelled", [result("a", "pass")]) };
    if (method === "POST") return { status: 202, body: { id: "s1", total: 4 } };
    looks += 1;
    return { status: 200, body: states[Math.min(looks, states.length) - 1] };
  };
}

describe("compat sweep", () => {
  it("watches the sweep to its end and shows what passed, failed and why", async () => {
    const { url, asked } = await fakeSupervisor(sweeping(status("running", []), status("done", EXPECTED)));
    const { code, out, err } = await lmx(["compat", "sweep", "--url", url]);
    expect(out).toBe(
      [
        "ARCHITECTURE  OUTCOME  LOAD    PEAK MEMORY  REASON",
        "gear          fail     -       -            model_incomplete: no batched form",
        "gpt_bigcode   pass     0.01 s  777.2 KiB    known limit: no batched form",
        "llama         pass     0.01 s  777.2 KiB",
        "olmo          skipped  -       -            needs ai2-olmo",
        "",
        "2 passed, 1 failed (1 with a known limit), 1 skipped on mlx-lm 0.32.2, mlx 0.32.4, Python 3.11.7, linux-x64",
        "",
      ].join("\n"),
    );
    expect([code, err]).toEqual([0, ""]);
    expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", PATH, {}],
      ["GET", PATH, undefined],
      ["GET", PATH, undefined],
    ]);
  });

  it("shows progress on one line of a terminal, and takes it away", async () => {
    const { url } = await fakeSupervisor(
      sweeping(status("running", [SURPRISE]), status("done", [...EXPECTED, SURPRISE])),
    );
    const { err } = await lmx(["compat", "sweep", "--url", url], {}, { isTTY: true });
    expect(err).toBe("\r\u001b[2K1/4, 1 failed  llama\r\u001b[2K");
  });

  it("exits 1 when something fails that has no known limit", async () => {
    const { url } = await fakeSupervisor(sweeping(status("done", [...EXPECTED, SURPRISE])));
    const { code, out } = await lmx(["compat", "sweep", "--url", url]);
    expect(code).toBe(1);
    expect(out).toContain("2 failed (1 with a known limit)");
  });

  it("asks for what its options say, and prints the answer whole with --json", async () => {
    const { url, asked } = await fakeSupervisor(sweeping(status("done", EXPECTED)));
    const args = ["--arch", "glm4_moe, kimi_k2,", "--force", "--json", "--url", url];
    const { out } = await lmx(["compat", "sweep", ...args]);
    expect(asked[0]!.body).toEqual({ archs: ["glm4_moe", "kimi_k2"], force: true });
    expect(JSON.parse(out)).toEqual(status("done", EXPECTED));
  });

  it("ends the sweep on the supervisor at Ctrl-C, shows what was found, and leaves no listener behind", async () => {
    const listeners = process.listenerCount("SIGINT");
    const { url, asked } = await fakeSupervisor(sweeping(status("running", [])));
    const delay = () => {
      // As npm passes it on: twice.
      process.emit("SIGINT", "SIGINT");
      process.emit("SIGINT", "SIGINT");
      return new Promise<void>(() => {});
    };
    const { code, out } = await lmx(["compat", "sweep", "--url", url], {}, { delay });
    expect(asked.at(-1)).toMatchObject({ method: "POST", path: `${PATH}/cancel` });
    expect(code).toBe(1);
    expect(out).toContain("Cancelled after 1 of 4: 1 passed");
    expect(process.listenerCount("SIGINT")).toBe(listeners);
  });

  it("says so when the supervisor was started anew meanwhile", async () => {
    const { url } = await fakeSupervisor(sweeping(status("idle", [], { id: null })));
    const { code, err } = await lmx(["compat", "sweep", "--url", url]);
    expect([code, err]).toEqual([75, expect.stringContaining("knows nothing of sweep s1 any more")]);
  });

  it("passes on that another one runs", async () => {
    const busy = errorBody("rate_limit_exceeded", "sweep s0 is at 3 of 138");
    const { url } = await fakeSupervisor(always(429, busy));
    expect(await lmx(["compat", "sweep", "--url", url])).toMatchObject({
      code: 75,
      err: "lmx: sweep s0 is at 3 of 138\n",
    });
  });

  it.each([
    [["--arch", " ,"], "--arch: expected names separated by commas"],
    [["--model", "m", "--arch", "llama"], "--model: expected one model id"],
    [["--model", "m", "--force"], "--model: expected one model id"],
    [["--model", ""], "--model: expected one model id"],
  ])("%j is explained and exits 64", async (args, message) => {
    const { code, err } = await lmx(["compat", "sweep", ...args, "--url", "http://127.0.0.1:1"]);
    expect([code, err]).toEqual([64, expect.stringContaining(message)]);
  });

  it("shows nothing that could steer the terminal", async () => {
    const hostile = result("a\u001b[2J", "fail", { reason: "b\u001bc" });
    const { url } = await fakeSupervisor(sweeping(status("done", [hostile])));
    expect((await lmx(["compat", "sweep", "--url", url])).out).not.toContain("\u001b");
  });
});

describe("compat sweep --model", () => {
  const ROW = {
    model: "org/glm",
    backend: "mlx-lm",
    backend_version: "0.32.2",
    outcome: "pass",
    reason: null,
    metadata: { load_seconds: 12.5, peak_memory_bytes: 3 * 1024 ** 3 },
    ts: "2026-11-20T10:00:30.000Z",
  };

  /** Lists the model in one state before it is loaded and in another after. */
  function supervisorWith(before: ReturnType<typeof model>, after: ReturnType<typeof model>): Answer {
    let isAsked = false;
    return ({ path }) => {
      if (path === "/admin/models") return { status: 200, body: modelList(isAsked ? after : before) };
      if (path.startsWith("/admin/models/compatibility"))
        return { status: 200, body: { object: "list", data: [ROW], matrix: [], regressions: [] } };
      if (path === "/admin/models/load") {
        isAsked = true;
        const accepted = { model_id: "org/glm", readiness: readiness("admitted") };
        return { status: 202, body: accepted };
      }
      return { status: 200, body: { model_id: "org/glm", readiness: readiness("unloaded") } };
    };
  }

  it("loads past the blocklist, shows what the load recorded, and unloads again", async () => {
    const answer = supervisorWith(model("org/glm", "unloaded"), model("org/glm", "routable"));
    const { url, asked } = await fakeSupervisor(answer);
    const { code, out } = await lmx(["compat", "sweep", "--model", "glm", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe("MODEL    OUTCOME  LOAD  PEAK MEMORY  REASON\norg/glm  pass     13 s  3.0 GiB\n");
    expect(asked.find(({ path }) => path === "/admin/models/load")?.body).toEqual({
      model_id: "glm",
      wait: false,
      allow_unsupported_runtime: true,
    });
    expect(asked.at(-1)).toMatchObject({ path: "/admin/models/unload", body: { model_id: "org/glm" } });
  });

  it("leaves a model loaded that was loaded before", async () => {
    const answer = supervisorWith(model("org/glm", "routable"), model("org/glm", "routable"));
    const { url, asked } = await fakeSupervisor(answer);
    const { code, out } = await lmx(["compat", "sweep", "--model", "org/glm", "--json", "--url", url]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      model: "org/glm",
      outcome: "pass",
      reason: null,
      load_seconds: 12.5,
      peak_memory_bytes: 3 * 1024 ** 3,
    });
    expect(asked.map(({ path }) => path)).not.toContain("/admin/models/unload");
  });

  it("shows a load that failed, and exits 1", async () => {
    const reason = { code: "model_loader_crashed", cause: "native_segv", message: "died of SIGSEGV" };
    const changes = { since: "2026-11-20T11:00:00.000Z", reason };
    const answer = supervisorWith(model("org/glm", "unloaded"), model("org/glm", "unloaded", changes));
    const { url } = await fakeSupervisor(answer);
    const { code, out } = await lmx(["compat", "sweep", "--model", "org/glm", "--url", url]);
    expect(code).toBe(1);
    expect(out).toMatch(/org\/glm {2}fail .* model_loader_crashed: .*died of SIGSEGV/);
  });

  it("unloads at Ctrl-C", async () => {
    const answer = supervisorWith(model("org/glm", "unloaded"), model("org/glm", "loading"));
    let isUnloaded = false;
    const { url } = await fakeSupervisor((asked) => {
      if (asked.path === "/admin/models/unload") isUnloaded = true;
      if (asked.path === "/admin/models" && isUnloaded) {
        const changes = { since: "2026-11-20T11:00:00.000Z" };
        return { status: 200, body: modelList(model("org/glm", "unloaded", changes)) };
      }
      return answer(asked);
    });
    const delay = async () => void process.emit("SIGINT", "SIGINT");
    const { code, err } = await lmx(["compat", "sweep", "-m", "org/glm", "--url", url], {}, { delay });
    expect([code, err]).toEqual([1, "lmx: Cancelled; the model is unloaded.\n"]);
    expect(isUnloaded).toBe(true);
  });

  it("leaves a model alone at Ctrl-C that others wait for, whatever it was called", async () => {
    const answer = supervisorWith(model("org/glm", "loading"), model("org/glm", "loading"));
    const { url, asked } = await fakeSupervisor(answer);
    const delay = () => {
      process.emit("SIGINT", "SIGINT");
      return new Promise<void>(() => {});
    };
    const { code, err } = await lmx(["compat", "sweep", "-m", "glm", "--url", url], {}, { delay });
    expect([code, err]).toEqual([1, "lmx: Cancelled; the model stays, as it was wanted before.\n"]);
    expect(asked.map(({ path }) => path)).not.toContain("/admin/models/unload");
  });

  it("is a refusal like every command's when there is no such model", async () => {
    const none = errorBody("model_not_found", "No model");
    const { url } = await fakeSupervisor(({ path }) =>
      path === "/admin/models" ? { status: 200, body: modelList() } : { status: 404, body: none },
    );
    expect((await lmx(["compat", "sweep", "--model", "x", "--url", url])).code).toBe(66);
  });
});
