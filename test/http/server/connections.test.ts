import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Connections } from "../../../supervisor/http/server/connections.ts";
import { LAST_PLACES } from "../../../supervisor/policy/requests/connection-limit.ts";
import { FakeCluster, FakeGeneration, PONG } from "../fake-cluster.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { CHAT } from "../test-app.ts";

const LIVEZ = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
const STREAM = rawPost("/v1/chat/completions", JSON.stringify({ ...CHAT, stream: true }));

async function limited(limit: number) {
  const cluster = new FakeCluster();
  const generations: FakeGeneration[] = [];
  cluster.onGenerate = () => {
    const generation = new FakeGeneration();
    generations.push(generation);
    return generation;
  };
  let refused = 0;
  const connections = new Connections(limit, () => (refused += 1));
  const { listener } = await serve({ cluster, connections });
  const connect = async (): Promise<RawClient> => {
    const client = new RawClient(listener.port);
    await once(client.socket, "connect");
    return client;
  };
  /** A connection with a stream on it that does not end. */
  const busy = async (): Promise<RawClient> => {
    const client = await connect();
    client.send(STREAM);
    await client.until("assistant");
    return client;
  };
  return { connections, connect, busy, generations, refused: () => refused };
}

describe("at the limit of connections", () => {
  it("a newcomer takes the place of the one that has been silent for longest", async () => {
    const { connections, connect, refused } = await limited(3);
    const [silent, answered, third] = [await connect(), await connect(), await connect()];
    answered?.send(LIVEZ);
    await answered?.until('{"status":"ok"}');
    const newcomer = await connect();
    newcomer.send(LIVEZ);
    await newcomer.until('{"status":"ok"}');
    expect(await silent?.closed).toBe("");
    expect([third?.socket.destroyed, answered?.socket.destroyed]).toEqual([false, false]);
    expect([connections.count.open, refused()]).toEqual([3, 1]);
  });

  it("a connection on which something is asked stays, and one whose answer is over may go", async () => {
    const { connect, busy, generations } = await limited(2);
    const [first, second] = [await busy(), await busy()];
    generations[0]?.push(...PONG);
    await first?.until("[DONE]");
    await connect();
    await first?.closed;
    generations[1]?.push(...PONG);
    await second?.until("[DONE]");
  });

  it("one whose next request waits for its turn is busy between the two answers", async () => {
    const connections = new Connections(1);
    const responses: ServerResponse[] = [];
    const server = createServer((request, response) => {
      connections.asked(request, response);
      responses.push(response);
    });
    server.on("connection", (socket) => connections.admit(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => server.closeAllConnections());
    const { port } = server.address() as AddressInfo;
    const client = new RawClient(port);
    client.send(LIVEZ + LIVEZ);
    await expect.poll(() => responses.length).toBe(2);
    responses[0]?.end("first");
    await client.until("first");
    await once(new RawClient(port).socket, "connect");
    responses[1]?.end("second");
    await client.until("second");
    server.close();
  });

  it("a request counts when it comes, though it waits for its turn", async () => {
    const { connections, busy, generations } = await limited(1);
    const asked = vi.spyOn(connections, "asked");
    const client = await busy();
    client.send(STREAM);
    await expect.poll(() => asked.mock.calls.length).toBe(2);
    expect(generations).toHaveLength(1);
  });

  it("while all of them are busy probes and operators are answered, and others told to come again", async () => {
    const { connect, busy } = await limited(2);
    await busy();
    await busy();
    const ask = async (request: string) => {
      const client = await connect();
      client.send(request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
      return await client.closed;
    };
    expect(await ask(LIVEZ)).toMatch(/^HTTP\/1.1 200 /);
    expect(await ask(LIVEZ.replace("/livez", "/admin/status"))).toMatch(/^HTTP\/1.1 200 /);
    const refused = await ask(STREAM);
    expect(refused).toMatch(/^HTTP\/1.1 503 /);
    expect(refused).toContain('"code":"server_is_overloaded"');
    expect(refused).toMatch(/\r\nretry-after: 2\r\n/i);
  });

  it("a latecomer is like anybody else once there is room", async () => {
    const { connections, connect, busy } = await limited(1);
    const first = await busy();
    const late = await connect();
    late.send(LIVEZ);
    await late.until('{"status":"ok"}');
    first.socket.destroy();
    await expect.poll(() => connections.count.open).toBe(1);
    late.send(LIVEZ.replace("/livez", "/v1/models"));
    await late.until('"object":"list"');
  });

  it("silent ones without end never keep a probe out", async () => {
    const { connections, connect } = await limited(4);
    const silent = await Promise.all(Array.from({ length: 100 }, connect));
    const probe = await connect();
    probe.send(LIVEZ);
    await probe.until('{"status":"ok"}');
    expect(connections.count.open).toBeLessThanOrEqual(4 + LAST_PLACES);
    for (const { socket } of silent) socket.destroy();
    await expect.poll(() => connections.count.open).toBe(1);
  });
});
