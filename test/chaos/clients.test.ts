import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Answer, ChaosService, readAnswer } from "./chaos-service.ts";
import { workersOf } from "./processes.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

let chaos: ChaosService;

beforeAll(async () => {
  chaos = await ChaosService.start({ workers: "fixture", config: { quarantine: { failures: 1_000 } } });
});
afterAll(() => chaos.dispose());

/** Ten times what a cancel may take to reach the worker. Milliseconds. */
const CANCEL_MS = 1_000;

/** The worker has nothing left to do, and its model nothing to answer for. */
async function slotIsFree(id: string, pid: number): Promise<void> {
  await waitUntil("the slot is free", async () => (await chaos.model(id)).worker?.in_flight === 0, CANCEL_MS);
  expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
  const { readiness, worker } = await chaos.model(id);
  expect([worker?.pid, readiness.failures]).toEqual([pid, 0]);
}

describe("a client that leaves", () => {
  row("H1", "fixture", "before dispatch: nothing reaches the worker", async () => {
    const id = chaos.addModel("h1/early", { habit: "load_trickles", seconds: 2 });
    await withBystander(chaos, null, async () => {
      const loading = chaos.load(id);
      await waitUntil("it loads", async () => (await chaos.model(id)).readiness.state === "loading", 10_000);
      const leaving = new AbortController();
      const left = chaos.lmx.chat(id, "hello", { stream: true }, { signal: leaving.signal });
      await wait(200);
      leaving.abort();
      await expect(left).rejects.toThrow(/abort/i);
      expect((await loading).status).toBe(200);
      await slotIsFree(id, await chaos.pid(id));
    });
  });

  for (const [moment, tokens] of [
    ["at the first token", 1],
    ["mid-stream", 50],
  ] as const)
    row("H1", "fixture", `${moment}: the cancel arrives, the slot is free, nothing is counted`, async () => {
      const id = await chaos.loaded(`h1/after-${tokens}`);
      const pid = await chaos.pid(id);
      await withBystander(chaos, null, async () => {
        const leaving = new AbortController();
        const { signal } = leaving;
        const response = await chaos.lmx.chat(id, "hello", { stream: true, max_tokens: 100_000 }, { signal });
        const reader = response.body?.getReader();
        for (let read = 0; read < tokens; read++) await reader?.read();
        leaving.abort();
        await slotIsFree(id, pid);
      });
    });

  row("H1", "fixture", "after the last token: nothing happens", async () => {
    const id = await chaos.loaded("h1/late");
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      const leaving = new AbortController();
      const response = await chaos.lmx.chat(id, "hello", { stream: true }, { signal: leaving.signal });
      await response.text();
      leaving.abort();
      await slotIsFree(id, pid);
    });
  });
});

describe("many clients", () => {
  row(
    "H2",
    "fixture",
    "1000 at once and their worker is killed: one outcome each, nobody hangs",
    async () => {
      const id = await chaos.loaded("h2/crowded", { habit: "crashes", interval: 0.2 });
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "resource", cause: "killed_external" }, async () => {
        const answers = Array.from({ length: 1_000 }, (_, n) => askAlone(id, `hello ${n}`));
        await waitUntil(
          "all are in the worker",
          async () => ((await chaos.model(id)).worker?.in_flight ?? 0) >= 900,
          60_000,
        );
        process.kill(pid, "SIGKILL");
        const ends = (await Promise.all(answers)).map(({ error, finish }) => error ?? finish);
        expect(ends).toHaveLength(1_000);
        expect([...new Set(ends)].filter((end) => end !== "length" && end !== "worker_crashed")).toEqual([]);
        await chaos.lmx.becomes(id, "routable", pid);
        expect((await chaos.model(id)).readiness.failures).toBe(1);
      });
    },
  );

  row("H3", "fixture", "slow readers and some who never read: they are cancelled, nobody else", async () => {
    const id = await chaos.loaded("h3/wordy", { habit: "long_words", interval: 0.02 });
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      const lazy = await Promise.all(Array.from({ length: 20 }, () => begin(id, "bad", 100_000)));
      expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
      await waitUntil(
        "all are cancelled",
        async () => (await chaos.model(id)).worker?.in_flight === 0,
        60_000,
      );
      for (const response of lazy) response.destroy();
      await slotIsFree(id, pid);
    });
  });

  row(
    "H4",
    "fixture",
    "loads, unloads and requests on one model, all at once: everybody is answered, one worker",
    async () => {
      await storm(4_000, "h4/storm");
    },
  );

  slowRow("H4", "fixture", "the same for ten minutes", async () => {
    await storm(600_000, "h4/long-storm");
  });
});

/** Begins a stream on a connection of its own, which nothing keeps open. */
function begin(model: string, content: string, maxTokens: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { "content-type": "application/json", connection: "close" };
  const url = `${chaos.lmx.url}/v1/chat/completions`;
  const call = request(url, { method: "POST", agent: false, headers }, (response) =>
    resolve(response.on("error", () => {})),
  );
  call.on("error", reject);
  const messages = [{ role: "user", content }];
  call.end(JSON.stringify({ model, messages, stream: true, max_tokens: maxTokens }));
  return promise;
}

/** Asks and reads to the end. */
async function askAlone(model: string, content: string): Promise<Answer> {
  const message = await begin(model, content, 20);
  const body = Readable.toWeb(message) as unknown as ReadableStream;
  return await readAnswer(new Response(body, { status: message.statusCode ?? 0 }));
}

async function storm(milliseconds: number, id: string): Promise<void> {
  // Once in advance: a worker of its own looks at a model that nobody has seen yet.
  await chaos.loaded(id);
  const workers = workersOf(chaos.home).length;
  await withBystander(chaos, null, async () => {
    const until = performance.now() + milliseconds;
    let most = 0;
    const count = async () => {
      while (performance.now() < until) {
        most = Math.max(most, workersOf(chaos.home).length);
        await wait(20);
      }
    };
    const statuses = new Set<number>();
    const repeat = async (act: () => Promise<{ status: number }>) => {
      while (performance.now() < until) {
        statuses.add((await act()).status);
        await wait(Math.random() * 40);
      }
    };
    await Promise.all([
      count(),
      ...[1, 2].map(() => repeat(() => chaos.load(id))),
      repeat(() => chaos.admin("/admin/models/unload", { model_id: id })),
      ...[1, 2, 3].map((n) => repeat(() => chaos.ask(id, `hello ${n}`, { max_tokens: 5 }))),
    ]);
    // Served, or told that the model is not there now.
    expect([...statuses].filter((status) => ![200, 409].includes(status))).toEqual([]);
    expect(statuses).toContain(200);
    expect(most).toBe(workers);
    expect((await chaos.load(id)).status).toBe(200);
    expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
    expect(chaos.failures(id)).toEqual([]);
  });
}
