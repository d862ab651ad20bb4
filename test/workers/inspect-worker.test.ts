import { describe, expect, it } from "vitest";
import { timeoutsSchema } from "../../shared/config.ts";
import type { WorkerMethod } from "../../shared/worker-protocol.ts";
import { RpcLostError } from "../../supervisor/rpc/peer.ts";
import { inspectInWorker } from "../../supervisor/workers/inspect-worker.ts";
import type { WorkerSession } from "../../supervisor/workers/worker-session.ts";
import { FakeWorker, settled } from "../support/fake-worker.ts";

const STRUCTURE = { context_tokens: 100, parameters: 5, weights_bytes: 10, caches: [], prefill_bytes: 1 };
const PARAMS = { model_id: "m", path: "/m", max_context_tokens: null };

function inspecting(manual: readonly WorkerMethod[] = ["inspect"], launch?: () => Promise<WorkerSession>) {
  const worker = new FakeWorker(1, manual);
  const kills: string[] = [];
  const kill = worker.session.kill.bind(worker.session);
  worker.session.kill = (reason) => {
    kills.push(reason);
    return kill(reason);
  };
  const abort = new AbortController();
  const inspection = inspectInWorker({
    launch: launch ?? (async () => worker.session),
    params: PARAMS,
    timeouts: timeoutsSchema.parse({}),
    signal: abort.signal,
  });
  inspection.catch(() => {});
  const asked = (method: WorkerMethod) => worker.asked.find((question) => question.method === method);
  return { worker, kills, abort, inspection, asked };
}

describe("a look at a model's structure", () => {
  it("tells what the worker found, and nothing beyond it, and ends the worker", async () => {
    const { worker, inspection, asked } = inspecting();
    await settled();
    expect(asked("inspect")?.params).toEqual(PARAMS);
    asked("inspect")?.answer({ ...STRUCTURE, model_type: "llama", has_chat_template: true, seconds: 1 });
    expect(await inspection).toEqual({ kind: "structure", structure: STRUCTURE });
    expect(await worker.session.exited).toMatchObject({ signal: "SIGKILL", intent: "killed" });
  });

  it.each([
    ["model_incomplete", "deterministic", "model_incomplete"],
    ["model_unsupported_arch", "deterministic", "model_unsupported_arch"],
    ["insufficient_memory", "environment", "insufficient_memory"],
    ["internal_error", "environment", "model_loader_crashed"],
  ])("of which the worker answers %s is refused as %s", async (word, failureClass, code) => {
    const { worker, inspection, asked } = inspecting();
    await settled();
    asked("inspect")?.refuse(word, "Missing 3 parameters");
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: { class: failureClass, reason: { code, message: "Missing 3 parameters" } },
    });
    expect(await worker.session.exited).toMatchObject({ intent: "killed" });
  });

  it("that ends the process with a native crash is a verdict on the model", async () => {
    const { worker, inspection } = inspecting();
    await settled();
    worker.die({ signal: "SIGSEGV" });
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: { class: "deterministic", reason: { code: "model_incomplete", cause: "native_segv" } },
    });
  });

  it("whose process dies before it answers initialize says nothing about the model", async () => {
    const { worker, inspection } = inspecting(["initialize", "inspect"]);
    await settled();
    worker.die({ code: 1, stderrTail: "ModuleNotFoundError: No module named 'mlx'" });
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: { class: "environment", reason: { code: "worker_runtime_broken" } },
    });
  });

  it("for which no worker can be started is refused, not thrown", async () => {
    const { inspection } = inspecting([], async () => {
      throw new Error("spawn EAGAIN");
    });
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: {
        class: "environment",
        reason: { code: "worker_runtime_broken", message: expect.stringContaining("EAGAIN") },
      },
    });
  });

  it("that takes too long counts nothing against the model", async () => {
    const { worker, inspection } = inspecting();
    worker.session.inspect = () => Promise.reject(new RpcLostError("timeout", "inspect took 60000 ms"));
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: { class: "environment", reason: { message: "inspect took 60000 ms" } },
    });
    expect(await worker.session.exited).toMatchObject({ intent: "killed" });
  });

  it("with an answer of the wrong shape is refused, and the worker ended", async () => {
    const { worker, inspection, asked } = inspecting();
    await settled();
    asked("inspect")?.answer({ ...STRUCTURE, weights_bytes: "many" });
    expect(await inspection).toMatchObject({ kind: "refused", failure: { class: "environment" } });
    expect(await worker.session.exited).toMatchObject({ intent: "killed" });
  });
});

describe("a look whose worker babbles", () => {
  it("is over at once: nobody else watches that worker", async () => {
    const { worker, inspection } = inspecting();
    await settled();
    for (let line = 0; line < 25; line++) worker.session.noteViolation({ kind: "not-json", excerpt: "x" });
    expect(await inspection).toMatchObject({
      kind: "refused",
      failure: { class: "environment", reason: { message: "The worker was ended: killed" } },
    });
  });
});

describe("an abandoned look", () => {
  it("ends the worker at once and throws the reason", async () => {
    const { worker, inspection, abort } = inspecting();
    await settled();
    abort.abort(new Error("unloaded meanwhile"));
    await expect(inspection).rejects.toThrow("unloaded meanwhile");
    expect(await worker.session.exited).toMatchObject({ intent: "killed" });
  });

  it("starts no worker when it was abandoned before", async () => {
    let launched = false;
    const work = inspectInWorker({
      launch: async () => {
        launched = true;
        return new FakeWorker(1).session;
      },
      params: PARAMS,
      timeouts: timeoutsSchema.parse({}),
      signal: AbortSignal.abort(new Error("unloaded before")),
    });
    await expect(work).rejects.toThrow("unloaded before");
    expect(launched).toBe(false);
  });

  it("asks the worker nothing when it was abandoned while that was started", async () => {
    const started = Promise.withResolvers<WorkerSession>();
    const { worker, inspection, abort, kills } = inspecting(["inspect"], () => started.promise);
    await settled();
    abort.abort(new Error("unloaded meanwhile"));
    started.resolve(worker.session);
    await settled();
    expect(kills).not.toEqual([]);
    expect(worker.asked.map(({ method }) => method)).not.toContain("inspect");
    await expect(inspection).rejects.toThrow("unloaded meanwhile");
  });
});
