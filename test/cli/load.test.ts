import { describe, expect, it } from "vitest";
import type { CliIo } from "../../supervisor/cli/command.ts";
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

describe("load", () => {
  const accepted = { model_id: "org/a", readiness: readiness("admitted") };

  /** Accepts the load, then shows one state after the other, the last one for ever. */
  const loading = (...states: ReturnType<typeof model>[]): Answer => {
    let shown = 0;
    return ({ method }) => {
      if (method === "POST") return { status: 202, body: accepted };
      const state = states[Math.min(shown, states.length - 1)];
      shown += 1;
      return { status: 200, body: modelList(...(state ? [state] : [])) };
    };
  };

  it("asks without waiting and watches until the model serves", async () => {
    const { url, asked } = await fakeSupervisor(
      loading(model("org/a", "loading"), model("org/a", "canary_pending"), model("org/a", "routable")),
    );
    const { code, out, err } = await lmx(["load", "alias-of-a", "--url", url]);
    expect(asked[0]).toMatchObject({
      method: "POST",
      path: "/admin/models/load",
      body: { model_id: "alias-of-a", wait: false },
    });
    expect(asked).toHaveLength(4);
    expect([code, out, err]).toEqual([0, "org/a is routable (0.0 s, 3.0 GiB)\n", ""]);
  });

  it("shows what admission or the canary warn of", async () => {
    const warning = { name: "canary", status: "warn", detail: "it answered\u001b nothing" } as const;
    const passed = { name: "files", status: "pass", detail: "whole" } as const;
    const served = model("org/a", "routable");
    const worker = { ...served.worker!, checks: [passed, warning] };
    const { url } = await fakeSupervisor(loading(model("org/a", "loading"), { ...served, worker }));
    const { out } = await lmx(["load", "org/a", "--url", url]);
    expect(out).toMatch(/^org\/a is routable \(.*\)\n {2}canary: it answered\S* nothing\n$/);
    const json = await lmx(["load", "org/a", "--json", "--url", url]);
    expect(JSON.parse(json.out).checks).toEqual([passed, warning]);
  });

  it.each([
    ["allow-unsupported-runtime", true],
    ["override-safe-mode", true],
    ["reason", "for the evening"],
  ] as const)("passes --%s on, and only then", async (option, value) => {
    const { url, asked } = await fakeSupervisor(
      always(200, { ...accepted, readiness: readiness("routable") }),
    );
    const typed = value === true ? [`--${option}`] : [`--${option}`, value];
    await lmx(["load", "org/a", ...typed, "--url", url]);
    await lmx(["load", "org/a", "--url", url]);
    expect(asked.map(({ body }) => body)).toEqual([
      { model_id: "org/a", wait: false, [option.replaceAll("-", "_")]: value },
      { model_id: "org/a", wait: false },
    ]);
  });

  it("is done at once when the model serves already", async () => {
    const answer = {
      ...accepted,
      readiness: readiness("routable"),
      load_seconds: 1.5,
      memory_bytes: 1024,
      checks: [],
    };
    const { url, asked } = await fakeSupervisor(always(200, answer));
    const { out } = await lmx(["load", "org/a", "--url", url]);
    expect(out).toBe("org/a is routable (1.5 s, 1.0 KiB)\n");
    expect(asked).toHaveLength(1);
  });

  it("shows progress on a terminal after two seconds, and removes it", async () => {
    const { url } = await fakeSupervisor(
      loading(model("org/a", "loading"), model("org/a", "loading"), model("org/a", "routable")),
    );
    let time = 0;
    const clock: Partial<CliIo> = {
      isTTY: true,
      now: () => time,
      delay: async () => {
        time += 3_000;
      },
    };
    const { err, out } = await lmx(["load", "org/a", "--url", url], {}, clock);
    expect(err).toBe("\r\u001b[2Korg/a: loading, 3s\r\u001b[2K");
    expect(out).toBe("org/a is routable (6.0 s, 3.0 GiB)\n");
  });

  it.each([
    ["quarantined", "model_canary_failed", 1],
    ["unloaded", "model_loader_crashed", 1],
    ["unloaded", "server_is_overloaded", 75],
  ] as const)("ending %s with %s is a failure with that reason", async (state, reason, exitCode) => {
    const ended = model("org/a", state, { reason: { code: reason, cause: "x", message: "what happened" } });
    const { url } = await fakeSupervisor(loading(model("org/a", "loading"), ended));
    const { code, err } = await lmx(["load", "org/a", "--url", url]);
    expect([code, err]).toEqual([exitCode, `lmx: org/a is ${state}: what happened\n`]);
  });

  it.each(["unloaded", "quarantined"] as const)(
    "does not take a state from before the load, %s, for its end",
    async (state) => {
      const before = model("org/a", state, {
        reason: { code: "worker_crashed", cause: "x", message: "long ago" },
      });
      const states = [before, before, before, model("org/a", "loading"), model("org/a", "routable")];
      const late = await fakeSupervisor(({ method }) => {
        if (method === "POST") return { status: 202, body: { ...accepted, readiness: before.readiness } };
        return { status: 200, body: modelList(states.shift() ?? before) };
      });
      expect(await lmx(["load", "org/a", "--url", late.url])).toMatchObject({ code: 0 });
      const never = await fakeSupervisor(({ method }) => {
        if (method === "POST") return { status: 202, body: { ...accepted, readiness: before.readiness } };
        return { status: 200, body: modelList(before) };
      });
      const { code, err } = await lmx(["load", "org/a", "--url", never.url]);
      expect([code, err]).toEqual([1, `lmx: org/a is ${state}: long ago\n`]);
    },
  );

  it("ends when somebody unloads the model, or its directory goes away", async () => {
    const unloaded = await fakeSupervisor(loading(model("org/a", "loading"), model("org/a", "unloaded")));
    expect((await lmx(["load", "org/a", "--url", unloaded.url])).err).toContain(
      "taken back before it could serve",
    );
    const gone = await fakeSupervisor(loading());
    expect(await lmx(["load", "org/a", "--url", gone.url])).toMatchObject({ code: 66 });
  });

  it("prints a refusal with its checks; an unknown model exits 66", async () => {
    const checks = [{ name: "memory", status: "fail", detail: "needs 40 GiB, 12 GiB are free" }];
    const refused = await fakeSupervisor(
      always(507, errorBody("insufficient_memory", "It does not fit.", { checks })),
    );
    expect(await lmx(["load", "org/a", "--url", refused.url])).toMatchObject({
      code: 1,
      err: "lmx: It does not fit.\n  fail  memory: needs 40 GiB, 12 GiB are free\n",
    });
    const unknown = await fakeSupervisor(
      always(404, errorBody("model_not_found", "No model x; did you mean y?")),
    );
    expect(await lmx(["load", "x", "--url", unknown.url])).toMatchObject({ code: 66 });
  });

  it("--json prints one document, also when it fails", async () => {
    const good = await fakeSupervisor(loading(model("org/a", "routable")));
    expect(JSON.parse((await lmx(["load", "org/a", "--json", "--url", good.url])).out)).toMatchObject({
      model_id: "org/a",
      readiness: { state: "routable" },
      load_seconds: 0,
      checks: [],
    });
    const bad = await fakeSupervisor(always(409, errorBody("model_unstable", "Quarantined.", { level: 2 })));
    const { out, err, code } = await lmx(["load", "org/a", "--json", "--url", bad.url]);
    expect([code, err]).toEqual([1, ""]);
    expect(JSON.parse(out).error).toMatchObject({ code: "model_unstable", details: { level: 2 } });
  });
});
