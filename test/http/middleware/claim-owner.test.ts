import { describe, expect, it } from "vitest";
import { Owners } from "../../../supervisor/http/callers/owners.ts";
import { FakeCluster, FakeGeneration } from "../fake-cluster.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { CHAT, chat, testApp } from "../test-app.ts";

const [FIRST, SECOND] = ["sk-first-key", "sk-second-key"];

describe("whose a request is", () => {
  it("with keys is the key's, in either header and whatever the user", async () => {
    const { app, cluster } = testApp({ config: { api_keys: [FIRST, SECOND] } });
    await chat(app, { user: "alice" }, { authorization: `Bearer ${FIRST}` });
    await chat(app, { user: "bob" }, { "x-api-key": FIRST });
    await chat(app, {}, { authorization: `Bearer ${SECOND}` });
    const [one, same, other] = cluster.generateCalls.map(({ owner }) => owner);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  it("without keys is the user's of the body, for both APIs, and every choice has it", async () => {
    const { app, cluster } = testApp();
    await chat(app, { user: "alice", n: 2 });
    await chat(app, { user: "bob" });
    const [alice, choice, bob] = cluster.generateCalls.map(({ owner }) => owner);
    expect(choice).toBe(alice);
    expect(bob).not.toBe(alice);
    expect((await chat(app, { user: 5 })).status).toBe(400);
  });

  it("over connections that say the same of themselves is told by when they came", async () => {
    const clock = { nowMs: 0 };
    const cluster = new FakeCluster();
    cluster.onGenerate = () => new FakeGeneration();
    const { listener } = await serve({ cluster, owners: new Owners(() => clock.nowMs) });
    const ask = async () => {
      const before = cluster.generateCalls.length;
      const client = new RawClient(listener.port);
      client.send(rawPost("/v1/chat/completions", JSON.stringify({ ...CHAT, stream: true })));
      await client.until("assistant");
      return cluster.generateCalls[before]?.owner;
    };
    const together = [await ask(), await ask(), await ask()];
    expect(new Set(together).size).toBe(1);
    clock.nowMs = 1_000;
    const newcomer = await ask();
    expect(newcomer).toMatch(/^name:/);
    expect(together).not.toContain(newcomer);
  });
});
