import { once } from "node:events";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { clientsSchema } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { INFERENCE_LIMITS } from "../../../supervisor/http/body/body-limits.ts";
import { listen } from "../../../supervisor/http/server/listen.ts";
import { FakeCluster, FakeGeneration, FINISH, PONG } from "../fake-cluster.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { CHAT, dataFrames, errorOf, JSON_TYPE, testApp } from "../test-app.ts";

const PATH = "/v1/chat/completions";
const STREAM = JSON.stringify({ ...CHAT, stream: true });

/** A server whose only model answers with `generation`, and a raw client that has asked it to stream. */
async function streaming(generation: FakeGeneration, keepAliveMs?: number) {
  const cluster = new FakeCluster();
  cluster.onGenerate = () => generation;
  const served = await serve({ cluster, ...(keepAliveMs !== undefined && { keepAliveMs }) });
  const client = new RawClient(served.listener.port);
  client.send(rawPost(PATH, STREAM));
  return { ...served, client };
}

/** The pieces of a chunked body: one is one write of the server. */
function writesOf(received: string): string[] {
  const writes: string[] = [];
  let rest = received.slice(received.indexOf("\r\n\r\n") + 4);
  for (let size = Number.parseInt(rest, 16); size > 0; size = Number.parseInt(rest, 16)) {
    const start = rest.indexOf("\r\n") + 2;
    writes.push(rest.slice(start, start + size));
    rest = rest.slice(start + size + 2);
  }
  return writes;
}

describe("listen", () => {
  it("tells its address, with port 0 the one it got", async () => {
    const { listener } = await serve();
    expect(listener.url).toBe(`http://127.0.0.1:${listener.port}`);
    expect((await fetch(`${listener.url}/livez`)).status).toBe(200);
  });

  it("names the port when it is taken", async () => {
    const { app, listener } = await serve();
    await expect(listen(app, { host: "127.0.0.1", port: listener.port })).rejects.toMatchObject({
      code: "EADDRINUSE",
      message: `Port ${listener.port} on 127.0.0.1 is already in use.`,
    });
  });

  it("names an address it cannot have", async () => {
    const { app } = testApp();
    await expect(listen(app, { host: "203.0.113.1", port: 0 })).rejects.toMatchObject({
      code: "EADDRNOTAVAIL",
    });
  });
});

describe("a client that leaves or does not read", () => {
  const asked = (cluster: FakeCluster) => vi.waitFor(() => expect(cluster.generateCalls).toHaveLength(1));

  it("cancels a whole answer that was being made", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration();
    cluster.onGenerate = () => generation;
    const { listener, metrics } = await serve({ cluster });
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, JSON.stringify(CHAT)));
    await asked(cluster);
    client.socket.destroy();
    await vi.waitFor(() => expect(cluster.generateCalls[0]?.signal.aborted).toBe(true));
    generation.push(new LmxError("worker_crashed", "too late"));
    await generation.released;
    await vi.waitFor(async () =>
      expect(await metrics.render([])).toContain("opta_lmx_client_disconnects_total 1"),
    );
  });

  it("is cut off when it takes nothing of what waits for it, and its generation is let go", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration(endlessText());
    cluster.onGenerate = () => generation;
    const { listener } = await serve({ cluster, unreadTimeoutMs: 200 });
    const client = new RawClient(listener.port);
    client.socket.pause();
    client.send(rawPost(PATH, STREAM));
    await generation.released;
    expect(cluster.generateCalls[0]?.signal.aborted).toBe(true);
  });

  it.each([
    ["after its patience", false, { unread_seconds: 0.2, unread_seconds_when_waited_for: 60 }],
    ["sooner while another client waits", true, { unread_seconds: 60, unread_seconds_when_waited_for: 0.2 }],
  ])("loses its place %s, and reads why when it reads again", async (_when, isWaitedFor, patience) => {
    const cluster = new FakeCluster();
    cluster.isWaitedFor = isWaitedFor;
    const generation = new FakeGeneration(endlessText());
    cluster.onGenerate = () => generation;
    const { listener, logLines } = await serve({
      cluster,
      config: { clients: clientsSchema.parse(patience) },
    });
    const client = new RawClient(listener.port);
    client.socket.pause();
    client.send(rawPost(PATH, STREAM));
    await generation.released;
    client.socket.resume();
    await client.until("[DONE]");
    expect(client.received).toContain('"code":"rate_limit_exceeded"');
    expect(client.received).toContain("read nothing for");
    expect(logLines).toContainEqual(
      expect.objectContaining({ outcome: "failed", code: "rate_limit_exceeded" }),
    );
  });

  it("is cut off too when the whole answer stands ready", async () => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () => new FakeGeneration([...endlessText(), FINISH]);
    const { listener } = await serve({ cluster, unreadTimeoutMs: 200 });
    const client = new RawClient(listener.port);
    client.socket.pause();
    client.send(rawPost(PATH, JSON.stringify(CHAT)));
    // Closing waits for every connection: it would hang here for ever.
    await asked(cluster);
    await listener.close(60_000);
  });

  it("is left alone while its answer is being made, however long that takes", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration();
    cluster.onGenerate = () => generation;
    const { listener } = await serve({ cluster, unreadTimeoutMs: 10, keepAliveMs: 50 });
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, STREAM));
    // Every silence between two signs of life is longer than an unread answer may stand.
    while (client.received.split(": keep-alive").length < 4) await once(client.socket, "data");
    generation.push(...PONG);
    await client.until("[DONE]");
  });
});

/** More than sockets buffer on both sides. */
function endlessText(): GenerationEvent[] {
  return Array.from({ length: 200 }, () => ({ type: "text" as const, text: "x".repeat(100_000) }));
}

describe("a stream on the wire", () => {
  it("goes out at once, one write per event", async () => {
    const generation = new FakeGeneration();
    const { client } = await streaming(generation);
    await client.until('"role":"assistant"');
    expect(writesOf(client.received)).toHaveLength(1);
    for (const word of ["po", "ng"]) {
      generation.push({ type: "text", text: word });
      await client.until(`"content":"${word}"`);
    }
    generation.push(FINISH);
    await client.until("\r\n0\r\n\r\n");
    const writes = writesOf(client.received);
    expect(writes).toHaveLength(5);
    expect(writes.every((write) => write.startsWith("data: ") && write.endsWith("\n\n"))).toBe(true);
    expect(dataFrames(writes.join("")).at(-1)).toBe("[DONE]");
  });

  it("keeps a silent connection alive from the 200 on", async () => {
    const { client } = await streaming(new FakeGeneration(), 20);
    await client.until(": keep-alive\n\n");
    expect(client.received).toMatch(/^HTTP\/1.1 200 OK/);
  });

  it("sends no headers while the request is held", async () => {
    const cluster = new FakeCluster();
    const held = Promise.withResolvers<FakeGeneration>();
    const asked = Promise.withResolvers<void>();
    cluster.onGenerate = () => {
      asked.resolve();
      return held.promise;
    };
    const { listener } = await serve({ cluster, keepAliveMs: 1 });
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, STREAM));
    await asked.promise;
    await fetch(`${listener.url}/livez`);
    expect(client.received).toBe("");
    held.resolve(new FakeGeneration(PONG));
    await client.until("[DONE]");
  });

  it("can be followed by another request on the same connection", async () => {
    const { client } = await streaming(new FakeGeneration(PONG));
    await client.until("\r\n0\r\n\r\n");
    client.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await client.until('{"status":"ok"}');
  });
});

// The limit is a promise to users; a machine busy with other tests may miss it once.
describe("a client that leaves", { retry: 2 }, () => {
  it.each(["reset", "close", "half-close"])(
    "by %s during a stream cancels the generation within 100 ms",
    async (how) => {
      const generation = new FakeGeneration();
      const { client, cluster, logLines, listener } = await streaming(generation);
      await client.until('"role":"assistant"');
      const leftAt = performance.now();
      if (how === "reset") client.socket.resetAndDestroy();
      else if (how === "close") client.socket.destroy();
      else client.socket.end();
      const releasedAt = await generation.released;
      expect(releasedAt - leftAt).toBeLessThan(100);
      expect(cluster.generateCalls[0]?.signal.aborted).toBe(true);
      await fetch(`${listener.url}/livez`);
      expect(logLines).toContainEqual(expect.objectContaining({ path: PATH, outcome: "client_left" }));
    },
  );

  it.each([true, false])("while it is held (stream: %s) aborts the request within 100 ms", async (stream) => {
    const cluster = new FakeCluster();
    const asked = Promise.withResolvers<AbortSignal>();
    cluster.onGenerate = ({ signal }) => {
      asked.resolve(signal);
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const { listener, logLines } = await serve({ cluster });
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, JSON.stringify({ ...CHAT, stream })));
    const signal = await asked.promise;
    const aborted = new Promise<number>((resolve) =>
      signal.addEventListener("abort", () => resolve(performance.now())),
    );
    const leftAt = performance.now();
    client.socket.destroy();
    expect((await aborted) - leftAt).toBeLessThan(100);
    await fetch(`${listener.url}/livez`);
    expect(logLines.filter(({ level }) => level >= 40)).toEqual([]);
  });
});

describe("a body over the cap", () => {
  const piece = " ".repeat(INFERENCE_LIMITS.bytes / 8);
  const pieces = Array.from({ length: 16 }, () => piece);

  it.each([
    ["of declared length", { "content-length": String(piece.length * pieces.length) }, pieces],
    [
      "in chunks",
      { "content-length": "", "transfer-encoding": "chunked" },
      [...pieces.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`), "0\r\n\r\n"],
    ],
  ])("%s is 413 while it is sent, and the sender may finish and go on", async (_how, headers, parts) => {
    const { listener } = await serve();
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, "", headers));
    for (const part of parts) {
      if (!client.socket.write(part)) await once(client.socket, "drain");
    }
    client.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await client.until('{"status":"ok"}');
    expect(client.received).toMatch(/^HTTP\/1.1 413 /);
    expect(client.received).toContain('"code":"request_too_large"');
  });
});

describe("bytes that are not HTTP", () => {
  it.each([
    ["garbage", "\u0000\u0001\u0002 hello\r\n\r\n", 400, "invalid_request_error"],
    [
      "headers over the limit",
      `GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ${"a".repeat(20_000)}\r\n\r\n`,
      431,
      "request_too_large",
    ],
    [
      "a broken chunk size",
      rawPost(PATH, "zz\r\n", { "transfer-encoding": "chunked", "content-length": "" }),
      400,
      "invalid_request_error",
    ],
  ])("such as %s get the envelope and a closed connection", async (_name, bytes, status, code) => {
    const { listener } = await serve();
    const client = new RawClient(listener.port);
    client.send(bytes);
    const received = await client.closed;
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(received).toMatch(/\r\nx-should-retry: false\r\n/);
    expect(received).toMatch(/\r\nx-request-id: req_/);
    expect(JSON.parse(received.slice(received.indexOf("\r\n\r\n") + 4))).toMatchObject({ error: { code } });
    expect((await fetch(`${listener.url}/livez`)).status).toBe(200);
  });

  it("do not get a second status line into a stream that has begun", async () => {
    const { client } = await streaming(new FakeGeneration());
    await client.until('"role":"assistant"');
    client.send("\u0000garbage\r\n\r\n");
    expect((await client.closed).match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it("a request without Host gets the envelope", async () => {
    const { listener } = await serve();
    const client = new RawClient(listener.port);
    client.send("GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n");
    const received = await client.closed;
    expect(received).toMatch(/^HTTP\/1.1 400 /);
    expect(received).toContain("Missing host header");
  });

  it("a client that never ends its headers is cut off", async () => {
    const { listener } = await serve({ headersTimeoutMs: 50 });
    const client = new RawClient(listener.port);
    client.send("GET /livez HTTP/1.1\r\nhost: local");
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("a stream outlives the time limit for sending requests", async () => {
    const generation = new FakeGeneration();
    const cluster = new FakeCluster();
    cluster.onGenerate = () => generation;
    const { listener } = await serve({
      cluster,
      keepAliveMs: 250,
      // Long enough for a busy machine to read the request in.
      headersTimeoutMs: 1_000,
      requestTimeoutMs: 1_000,
    });
    const client = new RawClient(listener.port);
    client.send(rawPost(PATH, STREAM));
    // Eight signs of life take twice the limit.
    while (client.received.split(": keep-alive").length < 9) await once(client.socket, "data");
    generation.push(FINISH);
    await client.until("[DONE]");
  });
});

describe("close", () => {
  it("ends idle connections, lets a running stream finish and takes no new ones", async () => {
    const generation = new FakeGeneration();
    const { client, listener } = await streaming(generation);
    await client.until('"role":"assistant"');
    const idle = new RawClient(listener.port);
    idle.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await idle.until('{"status":"ok"}');
    const closing = listener.close(60_000);
    await idle.closed;
    const late = new RawClient(listener.port);
    expect(await late.closed).toBe("");
    generation.push(...PONG);
    await closing;
    expect(await client.closed).toContain("[DONE]");
  });

  it("cuts what is still running after the grace", async () => {
    const { client, listener } = await streaming(new FakeGeneration());
    onTestFinished(() => void client.socket.destroy());
    await client.until('"role":"assistant"');
    await listener.close(10);
    expect(await client.closed).not.toContain("[DONE]");
  });
});

it("answers health while a stream is silent", async () => {
  const { listener } = await streaming(new FakeGeneration());
  const times: number[] = [];
  for (let round = 0; round < 20; round++) {
    const startedAt = performance.now();
    const response = await fetch(`${listener.url}/livez`);
    await response.text();
    times.push(performance.now() - startedAt);
  }
  // A few milliseconds; a busy machine takes longer, and a stream in the way would take for ever.
  expect(times.toSorted((a, b) => a - b)[10]).toBeLessThan(1_000);
});

it("gives errors of the app over the wire as the app made them", async () => {
  const { listener } = await serve();
  const response = await fetch(`${listener.url}${PATH}`, { method: "POST", headers: JSON_TYPE, body: "{" });
  expect(response.status).toBe(400);
  expect((await errorOf(response)).code).toBe("invalid_request_error");
});
