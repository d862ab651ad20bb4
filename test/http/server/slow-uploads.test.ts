import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { clientsSchema } from "../../../shared/config.ts";
import { RequestMemory } from "../../../supervisor/http/body/request-memory.ts";
import { Owners } from "../../../supervisor/http/callers/owners.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { CHAT } from "../test-app.ts";

const PATH = "/v1/chat/completions";
const MIB = 1024 * 1024;

/** The beginning of a request whose body never comes to its end. */
async function unfinished(port: number, declared: number, sent: number): Promise<RawClient> {
  const client = new RawClient(port);
  const body = `{"model":"demo","messages":[{"role":"user","content":"${"x".repeat(sent)}`;
  const request = rawPost(PATH, body, { "content-length": String(declared) });
  if (!client.socket.write(request)) await once(client.socket, "drain");
  return client;
}

/** A connection that sends a byte every so often until it is over. */
function trickling(client: RawClient, bytes: string, everyMs: number): void {
  const rest = [...bytes];
  const timer = setInterval(() => {
    const next = rest.shift();
    if (next === undefined || client.socket.destroyed) clearInterval(timer);
    else client.send(next);
  }, everyMs);
  onTestFinished(() => clearInterval(timer));
}

describe("a body that comes slowly", () => {
  const clients = clientsSchema.parse({ upload_bytes_per_second: 400, upload_grace_seconds: 0.25 });

  it("is 408 with what was expected, and its connection is closed", async () => {
    const { listener, logLines } = await serve({ config: { clients } });
    const client = await unfinished(listener.port, 10_000, 500);
    trickling(client, "x".repeat(1_000), 25);
    const received = await client.closed;
    expect(received).toMatch(/^HTTP\/1.1 408 /);
    expect(received).toMatch(/\r\nconnection: close\r\n/i);
    expect(received).toContain('"code":"request_timeout"');
    expect(received).toMatch(/expected 100 bytes in 0\.25 seconds, got \d{1,2};/);
    expect(logLines).toContainEqual(expect.objectContaining({ status: 408, code: "request_timeout" }));
  });

  it("is 408 as well when it stops after a fast beginning", async () => {
    const { listener } = await serve({ config: { clients } });
    const client = await unfinished(listener.port, 2 * MIB, MIB);
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("is 408 for operators too", async () => {
    const { listener } = await serve({ config: { clients } });
    const client = new RawClient(listener.port);
    client.send(rawPost("/admin/models/load", "{", { "content-length": "100" }));
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("is served when it is slow but steady, and however slow it is where nothing is expected", async () => {
    const body = JSON.stringify({ ...CHAT, user: "x".repeat(400) });
    const steady = clientsSchema.parse({ upload_bytes_per_second: 1, upload_grace_seconds: 2 });
    const anyhow = clientsSchema.parse({ upload_bytes_per_second: 0, upload_grace_seconds: 0.01 });
    for (const config of [steady, anyhow]) {
      const { listener } = await serve({ config: { clients: config } });
      const client = new RawClient(listener.port);
      client.send(rawPost(PATH, "", { "content-length": String(body.length), connection: "close" }));
      trickling(client, body, 2);
      expect(await client.closed).toMatch(/^HTTP\/1.1 200 /);
    }
  });
});

describe("unfinished bodies that fill the memory for requests", () => {
  const SENT = 7 * MIB;

  async function crowded() {
    const clock = { nowMs: 0 };
    const requestMemory = new RequestMemory(32 * MIB, () => clock.nowMs);
    // No silence between them: what says the same of itself is one owner.
    const served = await serve({ requestMemory, owners: new Owners(() => 0) });
    const hogs: RawClient[] = [];
    while (requestMemory.heldBytes < 2 * SENT) {
      const before = requestMemory.heldBytes;
      hogs.push(await unfinished(served.listener.port, 16 * MIB, SENT));
      await expect.poll(() => requestMemory.heldBytes).toBeGreaterThan(before + SENT);
    }
    return { ...served, clock, requestMemory, hogs };
  }

  const prompt = (characters: number, extra: object = {}) =>
    JSON.stringify({ ...CHAT, ...extra, messages: [{ role: "user", content: "y".repeat(characters) }] });

  async function ask(port: number, body: string, headers: Record<string, string> = {}): Promise<string> {
    const client = new RawClient(port);
    client.send(rawPost(PATH, body, { connection: "close", ...headers }));
    return await client.closed;
  }

  it("take nothing from another program", async () => {
    const { listener, hogs } = await crowded();
    expect(await ask(listener.port, prompt(1.5 * MIB), { "user-agent": "other" })).toMatch(/^HTTP\/1.1 200 /);
    expect(hogs.every(({ received }) => received === "")).toBe(true);
  });

  it("give way to a request of the same program once they rest, and are told why", async () => {
    const { listener, hogs, clock } = await crowded();
    clock.nowMs = 2_000;
    expect(await ask(listener.port, prompt(3 * MIB))).toMatch(/^HTTP\/1.1 200 /);
    await hogs[0]?.until("rate_limit_exceeded");
    expect(hogs[0]?.received).toContain("slow to come");
    expect(hogs[1]?.received).toBe("");
  });

  it("give way to a much smaller one even while they come", async () => {
    const { listener, hogs } = await crowded();
    expect(await ask(listener.port, prompt(2.5 * MIB))).toMatch(/^HTTP\/1.1 200 /);
    await expect.poll(() => hogs.some(({ received }) => received.includes("HTTP/1.1 429"))).toBe(true);
  });

  it("give back all they held when they are cut off", async () => {
    const { requestMemory, hogs } = await crowded();
    for (const { socket } of hogs) socket.destroy();
    await expect.poll(() => requestMemory.heldBytes).toBe(0);
  });
});
