import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Readiness } from "../../shared/readiness.ts";
import { always, errorBody, fakeSupervisor, readiness, SINCE } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const QUARANTINED = readiness("quarantined", {
  failures: 3,
  quarantine: { level: 1, until: "2026-11-20T10:15:00.000Z", dossier_id: null },
  reason: { code: "model_unstable", cause: "metal", message: "3 failures\u001b[2J" },
});

describe.each(["restart", "quarantine", "release"] as const)("%s", (action) => {
  it("asks for it with the reason, and says where the model is now", async () => {
    const answer = { model_id: "org/a", readiness: readiness("routable") };
    const { url, asked } = await fakeSupervisor(always(200, answer));
    const result = await lmx([action, "alias", "--reason", "looks odd", "--url", url]);
    expect(result).toMatchObject({ code: 0, out: "org/a is routable\n", err: "" });
    await lmx([action, "alias", "--url", url]);
    expect(asked).toMatchObject([
      { method: "POST", path: `/admin/models/${action}`, body: { model_id: "alias", reason: "looks odd" } },
      { method: "POST", path: `/admin/models/${action}` },
    ]);
    expect(asked[1]!.body).toEqual({ model_id: "alias" });
  });

  it("--json prints the answer whole", async () => {
    const answer = { model_id: "org/a", readiness: QUARANTINED };
    const { url } = await fakeSupervisor(always(200, answer));
    expect(JSON.parse((await lmx([action, "org/a", "--json", "--url", url])).out)).toEqual(answer);
  });

  it.each([
    [404, "model_not_found", 66],
    [409, "model_canary_failed", 1],
    [503, "safe_mode", 1],
    [503, "server_is_overloaded", 75],
    [401, "invalid_api_key", 77],
  ])("ends with the exit code of a refusal: %d %s exits %d", async (status, code, exitCode) => {
    const { url } = await fakeSupervisor(always(status, errorBody(code, "What happened.")));
    expect(await lmx([action, "org/a", "--url", url])).toMatchObject({
      code: exitCode,
      out: "",
      err: expect.stringContaining("What happened."),
    });
  });
});

describe("the line about a model", () => {
  it.each<[string, Readiness, string]>([
    [
      "in quarantine for a time",
      QUARANTINED,
      "quarantined for 13m more, until 2026-11-20 10:15 UTC (level 1); " +
        "model_unstable: 3 failures\ufffd[2J; 3 failures in a row",
    ],
    [
      "that an operator quarantined",
      readiness("quarantined", { quarantine: { level: 0, until: null, dossier_id: null } }),
      "quarantined until further notice",
    ],
    [
      "whose quarantine is over",
      readiness("quarantined", { quarantine: { level: 2, until: SINCE, dossier_id: "d-1" } }),
      "quarantined until somebody asks for it, then tried once (level 2, dossier d-1)",
    ],
    ["that is being tried", readiness("admitted", { detail: "half_open" }), "admitted (half_open)"],
    [
      "on probation",
      readiness("routable", { detail: "probation", quarantine: { level: 2, until: null, dossier_id: null } }),
      "routable (probation); quarantine level 2",
    ],
    [
      "whose next attempt is due",
      readiness("admitted", { detail: "backoff", failures: 1, next_attempt_at: SINCE }),
      "admitted (backoff); 1 failure in a row; next attempt as soon as there is room",
    ],
  ])("%s says so", async (_name, state, expected) => {
    const { url } = await fakeSupervisor(always(200, { model_id: "org/a", readiness: state }));
    expect((await lmx(["release", "org/a", "--url", url])).out).toBe(`org/a is ${expected}\n`);
  });
});

describe("restart", () => {
  /** Breaks the connection of a restart, as fetch does after its limit, and answers a load. */
  async function breakingSupervisor() {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      if (request.url === "/admin/models/restart") {
        response.destroy();
        return;
      }
      const answer = { model_id: "org/a", readiness: readiness("routable") };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
  }

  /** A clock that is this much later each time somebody looks. */
  const clock = (stepMs: number) => {
    let time = 0;
    return {
      now: () => {
        time += stepMs;
        return time;
      },
    };
  };

  it("that takes longer than one request may is waited for with the next", async () => {
    const { url, asked } = await breakingSupervisor();
    const result = await lmx(["restart", "org/a", "--url", url], {}, clock(300_000));
    expect(result).toMatchObject({ code: 0, out: "org/a is routable\n" });
    expect(asked).toEqual(["/admin/models/restart", "/admin/models/load"]);
  });

  it("whose connection breaks early failed, and nothing is loaded", async () => {
    const { url, asked } = await breakingSupervisor();
    expect(await lmx(["restart", "org/a", "--url", url], {}, clock(1_000))).toMatchObject({ code: 69 });
    expect(asked).toEqual(["/admin/models/restart"]);
  });
});

describe("safe-mode leave", () => {
  it.each([
    [true, 'Safe mode is over; "lmx ps" shows what is being loaded.\n'],
    [false, "The service was not in safe mode.\n"],
  ])("left: %s is a success", async (left, out) => {
    const { url, asked } = await fakeSupervisor(always(200, { left }));
    expect(await lmx(["safe-mode", "leave", "--url", url])).toMatchObject({ code: 0, out });
    expect(JSON.parse((await lmx(["safe-mode", "leave", "-r", "why", "--json", "--url", url])).out)).toEqual({
      left,
    });
    expect(asked).toMatchObject([
      { method: "POST", path: "/admin/safe-mode/leave", body: {} },
      { method: "POST", path: "/admin/safe-mode/leave", body: { reason: "why" } },
    ]);
  });

  it("needs its second word", async () => {
    const { code, err } = await lmx(["safe-mode"]);
    expect([code, err]).toEqual([64, expect.stringContaining('Did you mean "lmx safe-mode leave"?')]);
  });
});
