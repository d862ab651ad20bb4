import { describe, expect, it } from "vitest";
import { type LoggedWorker, WorkerLogs } from "../../supervisor/workers/worker-logs.ts";

const SECRET = "a-key-of-this-service";

/** A log in memory, and fake workers that write into it. */
function setUp() {
  const written: Record<string, Record<string, unknown>[]> = {};
  const clock = { now: 1_000 };
  const closed: string[] = [];
  const logs = new WorkerLogs({
    open: (model) => {
      const lines: Record<string, unknown>[] = [];
      written[model] = lines;
      return {
        write: (line) => void lines.push(JSON.parse(line)),
        close: async () => void closed.push(model),
      };
    },
    redaction: () => ({ homes: ["/home/alice"], secrets: [SECRET] }),
    now: () => clock.now,
  });
  const fakeWorker = (pid: number, stderrTail = "") => {
    const { promise: exited, resolve } = Promise.withResolvers<Awaited<LoggedWorker["exited"]>>();
    const worker: LoggedWorker = { pid, exited, stderrTail, onStderr: () => {} };
    return { worker, say: (text: string) => worker.onStderr(Buffer.from(text)), exit: resolve };
  };
  const said = (model: string) => (written[model] ?? []).map(({ msg }) => msg);
  return { logs, clock, closed, written, said, fakeWorker };
}

describe("the log of a model's workers", () => {
  it("has what a worker said before it belonged to the model, what it says then, and how it ended", async () => {
    const { logs, written, fakeWorker } = setUp();
    const { worker, say, exit } = fakeWorker(7, "imported\n");
    logs.attach("org/m", worker);
    say("loading ");
    say("weights\nand then");
    exit({ code: null, signal: "SIGBUS", intent: null });
    await worker.exited;
    const common = { level: 30, time: 1_000, model: "org/m", pid: 7 };
    expect(written["org/m"]).toEqual([
      { ...common, msg: "worker taken" },
      { ...common, msg: "imported" },
      { ...common, msg: "loading weights" },
      { ...common, msg: "and then" },
      { ...common, msg: "worker exited", code: null, signal: "SIGBUS", intent: null },
    ]);
  });

  it("is one file a model, for all its workers", () => {
    const { logs, said, written, fakeWorker } = setUp();
    for (const [model, pid] of [
      ["a", 1],
      ["b", 2],
      ["a", 3],
    ] as const)
      logs.attach(model, fakeWorker(pid).worker);
    expect(said("a")).toEqual(["worker taken", "worker taken"]);
    expect(written.a?.map(({ pid }) => pid)).toEqual([1, 3]);
    expect(said("b")).toHaveLength(1);
  });

  it("lets go of a model's file when its last worker is gone", async () => {
    const { logs, closed, fakeWorker } = setUp();
    const [old, young] = [fakeWorker(1), fakeWorker(2)];
    logs.attach("m", old.worker);
    logs.attach("m", young.worker);
    old.exit({ code: 0, signal: null, intent: null });
    await old.worker.exited;
    expect(closed).toEqual([]);
    young.exit({ code: 0, signal: null, intent: null });
    await young.worker.exited;
    expect(closed).toEqual(["m"]);
  });

  it("has no keys and no home directory", () => {
    const { logs, said, fakeWorker } = setUp();
    const { worker, say } = fakeWorker(1);
    logs.attach("m", worker);
    say(`reading /home/alice/models with ${SECRET}\n`);
    expect(said("m")[1]).toBe("reading ~/models with [redacted]");
  });

  it("has no private key that is written line by line, and all that comes after it", () => {
    const { logs, said, fakeWorker } = setUp();
    const { worker, say } = fakeWorker(1);
    logs.attach("m", worker);
    say(
      `-----BEGIN RSA PRIVATE KEY-----\n${"MIIEpAIBAAKCAQEA\n".repeat(3)}abc=\n-----END RSA PRIVATE KEY-----\nloaded\n`,
    );
    expect(said("m").join("\n")).not.toMatch(/MII|abc=/);
    expect(said("m").at(-1)).toBe("loaded");
  });

  it("tells at a worker's end what of its last words was left out", async () => {
    const { logs, written, fakeWorker } = setUp();
    const { worker, say, exit } = fakeWorker(1);
    logs.attach("m", worker);
    for (let count = 0; count < 1_000; count++) say(`${"x".repeat(1_023)}\n`);
    const kept = (written.m?.length ?? 0) - 1;
    exit({ code: 1, signal: null, intent: null });
    await worker.exited;
    expect(written.m?.slice(-2)).toMatchObject([{ lost: 1_000 - kept }, { msg: "worker exited" }]);
  });

  it("lets a flood pass, says how much is missing, and goes on", () => {
    const { logs, clock, written, fakeWorker } = setUp();
    const { worker, say } = fakeWorker(1);
    logs.attach("m", worker);
    for (let count = 0; count < 1_000; count++) say(`${"x".repeat(1_023)}\n`);
    const kept = (written.m?.length ?? 0) - 1;
    expect(kept).toBeGreaterThan(200);
    expect(kept).toBeLessThan(300);
    clock.now += 1_000;
    say("quiet again\n");
    expect(written.m?.slice(-2)).toMatchObject([{ lost: 1_000 - kept }, { msg: "quiet again" }]);
  });
});
