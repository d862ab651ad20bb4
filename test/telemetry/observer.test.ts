import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { GenerationRun } from "../../supervisor/cluster/requests/generation-run.ts";
import type { ClusterObserver } from "../../supervisor/telemetry/observer.ts";
import { hostWithFakes } from "../support/fake-cluster-parts.ts";
import { FINISH, REQUEST, settled } from "../support/fake-worker.ts";

const never = new AbortController().signal;
const text = { type: "text", text: "a" } as const;

/** Everything an observer hears, as lines. */
function recording(): { observer: ClusterObserver; heard: string[] } {
  const heard: string[] = [];
  const observer: ClusterObserver = {
    workerStarted: (_model, restart) => heard.push(restart ? "restarted" : "started"),
    workerExited: (_model, cause) => heard.push(`exited ${cause}`),
    workerMemory: (_model, { active }) => heard.push(`memory ${active}`),
    loaded: (_model, seconds) => heard.push(`loaded ${seconds}`),
    canaried: () => heard.push("canaried"),
    requestArrived: (model) => {
      heard.push(`arrived ${model}`);
      return {
        accepted: (tokens) => heard.push(`accepted ${tokens}`),
        tokens: (count) => heard.push(`tokens ${count}`),
        ended: (how) => heard.push(`ended ${how}`),
      };
    },
  };
  return { observer, heard };
}

async function loaded(options: Parameters<typeof hostWithFakes>[0] = {}) {
  const { observer, heard } = recording();
  const parts = hostWithFakes({ observer, ...options });
  await parts.host.load(never);
  const abort = new AbortController();
  const run = () =>
    new GenerationRun({
      host: parts.host,
      request: REQUEST,
      signal: abort.signal,
      origin: {},
      holdMs: 30_000,
      now: () => performance.now(),
      observer,
      log: pino({ level: "silent" }),
    }).start();
  return { ...parts, heard, run, abort };
}

describe("the observer", () => {
  it("hears a load, a request and an unload, in order", async () => {
    const { heard, run, workers, host } = await loaded();
    await run();
    workers[0]?.row([text]);
    workers[0]?.row([FINISH]);
    await host.unload(never);
    expect(heard).toEqual([
      "started",
      "loaded 0.5",
      "memory 1",
      "canaried",
      "arrived m",
      "accepted 3",
      "tokens 1",
      "tokens 1",
      "ended stop",
      "exited stopped",
    ]);
  });

  it("hears a crash by its cause, the restart, and a request that is sent again only once", async () => {
    const { heard, run, workers } = await loaded();
    await run();
    heard.length = 0;
    workers[0]?.die({ signal: "SIGSEGV" });
    await settled();
    workers[1]?.row([FINISH]);
    expect(heard).toEqual([
      "exited native_segv",
      "restarted",
      "loaded 0.5",
      "memory 1",
      "canaried",
      "tokens 1",
      "ended stop",
    ]);
  });

  it.each([
    ["the client leaves", "cancelled"],
    ["the worker answers with an error", "failed"],
    ["the worker dies in the middle", "failed"],
  ])("hears the end of a request once when %s", async (what, end) => {
    const { heard, run, workers, abort } = await loaded();
    await run();
    workers[0]?.row([text]);
    if (what.startsWith("the client")) abort.abort();
    else if (what.endsWith("error"))
      workers[0]?.row([{ type: "error", code: "internal_error", message: "" }]);
    else workers[0]?.die({ signal: "SIGABRT" });
    await settled();
    abort.abort();
    expect(heard.filter((line) => line.startsWith("ended"))).toEqual([`ended ${end}`]);
  });

  it("hears the end of a request that no worker took", async () => {
    const { heard, run, workers } = await loaded({ manual: ["generate"] });
    const started = run();
    started.catch(() => {});
    await settled();
    workers[0]?.asked
      .find(({ method }) => method === "generate")
      ?.refuse("context_length_exceeded", "too long");
    await expect(started).rejects.toMatchObject({ code: "context_length_exceeded" });
    expect(heard.slice(-2)).toEqual(["arrived m", "ended failed"]);
  });
});
