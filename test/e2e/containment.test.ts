import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { isGone, RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";

const running: RunningSupervisor[] = [];

async function start(
  options: Parameters<typeof RunningSupervisor.start>[0] = {},
): Promise<RunningSupervisor> {
  const supervisor = await RunningSupervisor.start(options);
  running.push(supervisor);
  return supervisor;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((supervisor) => supervisor.dispose()));
});

const stream = { stream: true, max_tokens: 400 };

describe("a worker that is killed while it streams", () => {
  it("costs its client an error frame and the API nothing; the other model's text is untouched", async () => {
    const other = "tiny/bystander";
    const lmx = await start({
      models: { [other]: tinyModels().endless },
      args: ["--auto-load", `lmx-demo,${other}`],
      routable: ["lmx-demo", other],
    });
    const undisturbed = (await readChatStream(await lmx.chat(other, "go on", stream))).text;
    const victim = (await lmx.model("lmx-demo")).worker?.pid ?? 0;

    let pings = 0;
    let pinging = true;
    const livez = (async () => {
      while (pinging) {
        expect((await lmx.fetch("/livez")).status).toBe(200);
        pings += 1;
      }
    })();
    livez.catch(() => {});
    const bystander = readChatStream(await lmx.chat(other, "go on", stream));
    let killed = false;
    const story = await lmx.chat("lmx-demo", "Tell me a story", stream);
    const dying = await readChatStream(story, (text) => {
      if (text.length > 20 && !killed) killed = process.kill(victim, "SIGKILL");
    });

    expect(dying).toMatchObject({ errors: ["worker_crashed"], finishReasons: [], done: true });
    const back = await lmx.becomes("lmx-demo", "routable", victim);
    expect(back.readiness.failures).toBe(1);
    expect((await bystander).text).toBe(undisturbed);
    pinging = false;
    await livez;
    expect(pings).toBeGreaterThan(10);
    expect(lmx.process.exitCode).toBeNull();
    expect(await (await lmx.chat("lmx-demo", "ping")).json()).toMatchObject({
      choices: [{ message: { content: "pong" } }],
    });
  });

  it("is replaced without its client noticing when nothing of the answer was sent", async () => {
    const lmx = await start();
    const before = await lmx.model("lmx-demo");
    process.kill(before.worker?.pid ?? 0, "SIGSTOP");
    const answer = lmx.chat("lmx-demo", "ping");
    // The stopped worker holds the request unanswered; its death makes the supervisor send it again.
    process.kill(before.worker?.pid ?? 0, "SIGKILL");
    expect(await (await answer).json()).toMatchObject({
      choices: [{ message: { content: "pong" }, finish_reason: "stop" }],
    });
    expect((await lmx.model("lmx-demo")).worker?.pid).not.toBe(before.worker?.pid);
  });
});

describe("an operator's restart", () => {
  it("lets a running stream finish and costs the requests that come meanwhile a pause", async () => {
    const id = "tiny/endless";
    // No request may start the model: whatever is answered was held for the restart.
    const lmx = await start({
      config: "load_on_request: never\n",
      models: { [id]: tinyModels().endless },
      args: ["--auto-load", id],
      routable: [id],
    });
    const { worker } = await lmx.model(id);
    const long = { stream: true, max_tokens: 1_500 };
    const undisturbed = (await readChatStream(await lmx.chat(id, "go on", long))).text;
    const { promise: flowing, resolve } = Promise.withResolvers<void>();
    const running = readChatStream(await lmx.chat(id, "go on", long), () => resolve());
    await flowing;
    const restart = lmx.post("/admin/models/restart", { model_id: id });
    while ((await lmx.model(id)).readiness.detail !== "draining") await setTimeout(10);
    const meanwhile = Array.from({ length: 5 }, () => lmx.chat(id, "hello", { max_tokens: 4 }));

    for (const answer of await Promise.all(meanwhile))
      expect(await answer.json()).toMatchObject({ choices: [{ finish_reason: "length" }] });
    expect(await running).toEqual({ text: undisturbed, finishReasons: ["length"], errors: [], done: true });
    expect((await restart).status).toBe(200);
    const after = await lmx.model(id);
    expect(after.worker?.pid).not.toBe(worker?.pid);
    expect(after.readiness.failures).toBe(0);
  });
});

describe("clients that send more than the service has memory for", () => {
  it("are refused with a time while the others wait, and it serves when they have gone", async () => {
    const lmx = await start();
    const worker = (await lmx.model("lmx-demo")).worker?.pid ?? 0;
    process.kill(worker, "SIGSTOP");
    const long = { messages: [{ role: "user", content: "x".repeat(8 * 1024 * 1024) }] };
    const leaving = new AbortController();
    const { signal } = leaving;
    const { promise: refusedOnce, resolve } = Promise.withResolvers<Response>();
    // 256 MiB are room for 31 of them, half of that for one client.
    const asked = Array.from({ length: 40 }, async () => {
      const answer = await lmx.chat("lmx-demo", "ping", long, { signal });
      if (answer.status === 429) resolve(answer);
      return answer.status;
    });
    const refused = await refusedOnce;
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(await refused.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    expect((await lmx.fetch("/livez")).status).toBe(200);
    expect((await lmx.fetch("/admin/status")).status).toBe(200);
    leaving.abort();
    process.kill(worker, "SIGCONT");
    await Promise.allSettled(asked);
    expect(await (await lmx.chat("lmx-demo", "ping")).json()).toMatchObject({
      choices: [{ message: { content: "pong" } }],
    });
  });
});

describe("kill -9 of the supervisor", () => {
  const worker = async (lmx: RunningSupervisor, id: string) => (await lmx.model(id)).worker?.pid ?? 0;

  it("leaves no worker, idle or generating, after 2 s", async () => {
    const lmx = await start({
      models: { "tiny/busy": tinyModels().endless },
      args: ["--auto-load", "lmx-demo,tiny/busy"],
      routable: ["lmx-demo", "tiny/busy"],
    });
    const pids = [await worker(lmx, "lmx-demo"), await worker(lmx, "tiny/busy")];
    const { promise: flowing, resolve } = Promise.withResolvers<void>();
    const broken = readChatStream(
      await lmx.chat("tiny/busy", "go on", { stream: true, max_tokens: 1500 }),
      () => resolve(),
    ).catch(() => {});
    await flowing;
    await lmx.stop("SIGKILL");
    for (const pid of pids) await isGone(pid, 2000);
    await broken;
  });

  it("leaves no worker that was loading or stopped", async () => {
    const lmx = await start({ models: { "tiny/late": tinyModels().endless } });
    const stopped = await worker(lmx, "lmx-demo");
    process.kill(stopped, "SIGSTOP");
    await lmx.post("/admin/models/load", { model_id: "tiny/late", wait: false });
    await lmx.becomes("tiny/late", "loading");
    let loading = 0;
    while (loading === 0) loading = await worker(lmx, "tiny/late");
    await lmx.stop("SIGKILL");
    await isGone(loading, 2000);
    if (process.platform === "linux") await isGone(stopped, 2000);
    else process.kill(stopped, "SIGKILL");
  });
});

describe("stopping", () => {
  it("lets a running stream finish on SIGTERM, refuses new work, and leaves nothing behind", async () => {
    const lmx = await start();
    const pid = (await lmx.model("lmx-demo")).worker?.pid ?? 0;
    const undisturbed = (await readChatStream(await lmx.chat("lmx-demo", "Tell me a story", stream))).text;
    let refused: Promise<Response> | null = null;
    const story = await readChatStream(await lmx.chat("lmx-demo", "Tell me a story", stream), () => {
      if (refused !== null) return;
      lmx.process.kill("SIGTERM");
      refused = lmx.outputShows(/SIGTERM/).then(() => lmx.chat("lmx-demo", "ping"));
      refused.catch(() => {});
    });
    expect(story).toEqual({ text: undisturbed, finishReasons: ["stop"], errors: [], done: true });
    const answer = await (refused as Promise<Response> | null)?.catch(() => null);
    if (answer) expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([503, "true"]);
    expect(await lmx.exited).toEqual({ code: 0, signal: null });
    await isGone(pid, 0);
  });

  it.each(["SIGINT", "SIGHUP"] as const)("exits 0 on %s with nothing running", async (signal) => {
    const lmx = await start();
    const pid = (await lmx.model("lmx-demo")).worker?.pid ?? 0;
    expect(await lmx.stop(signal)).toEqual({ code: 0, signal: null });
    await isGone(pid, 0);
  });

  it("exits 0 when it is told to while a model loads", async () => {
    const lmx = await start({ routable: [] });
    expect(await lmx.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});
