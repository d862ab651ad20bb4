import { lstatSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readJson, sendRequest } from "../../../supervisor/cli/send-request.ts";
import { Connections } from "../../../supervisor/http/server/connections.ts";
import { listenOnSocket } from "../../../supervisor/http/server/listen.ts";
import { LAST_PLACES } from "../../../supervisor/policy/requests/connection-limit.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { FakeCluster, FakeGeneration, PONG } from "../fake-cluster.ts";
import { RawClient, serve } from "../served-app.ts";
import { CHAT } from "../test-app.ts";

const KEYS = { api_keys: ["key-of-clients"], admin_keys: ["key-of-operators"] };

/** The same app on a port and on a socket. */
async function onBoth(options: Parameters<typeof serve>[0]) {
  const served = await serve(options);
  const socketPath = join(await temporaryDirectory(), "admin.sock");
  const door = await listenOnSocket(served.app, socketPath);
  onTestFinished(() => door.close(0));
  const onSocket = { url: "http://localhost", socketPath };
  const onPort = { url: served.listener.url, socketPath: null };
  return { ...served, door, onSocket, onPort };
}

it("the socket opens every path without a key, the port none", async () => {
  const { onSocket, onPort } = await onBoth({ config: KEYS });
  for (const path of ["/admin/models", "/v1/models", "/metrics", "/openapi.json"]) {
    expect((await sendRequest(onSocket, { method: "GET", path })).status, path).toBe(200);
    expect((await sendRequest(onPort, { method: "GET", path })).status, path).toBe(401);
  }
});

it("the socket is its owner's alone, whatever the mask, and gone once it is closed", async () => {
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
  const { door, onSocket } = await onBoth({});
  expect(process.umask()).toBe(0);
  expect(lstatSync(onSocket.socketPath).mode & 0o777).toBe(0o600);
  await door.close(0);
  expect(lstatSync(onSocket.socketPath, { throwIfNoEntry: false })).toBeUndefined();
});

it("a stream over the socket comes as it is made, and ends on the server when its reader aborts", async () => {
  const cluster = new FakeCluster();
  const generation = new FakeGeneration();
  cluster.onGenerate = () => generation;
  const { onSocket } = await onBoth({ cluster });
  const abort = new AbortController();
  const { signal } = abort;
  const body = { ...CHAT, stream: true };
  const reply = await sendRequest(onSocket, { method: "POST", path: "/v1/chat/completions", body, signal });
  generation.push(...PONG.slice(0, 1));
  const read = async () => {
    for await (const chunk of reply.body) if (String(chunk).includes('"content"')) abort.abort();
  };
  await expect(read()).rejects.toThrow();
  await generation.released;
});

it("the socket answers while every connection of the port is taken", async () => {
  const { listener, onSocket, onPort } = await onBoth({ connections: new Connections(1) });
  for (let taken = 0; taken <= LAST_PLACES; taken += 1) {
    const client = new RawClient(listener.port);
    onTestFinished(() => void client.socket.destroy());
    client.send("GET /admin/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await client.until("text/event-stream");
  }
  await expect(sendRequest(onPort, { method: "GET", path: "/admin/status" })).rejects.toThrow();
  const { status, body } = await sendRequest(onSocket, { method: "GET", path: "/admin/status" });
  expect([status, await readJson(body)]).toMatchObject([200, { status: "ok" }]);
});

it("a program that keeps opening the socket does not take every descriptor, and operators are still answered", async () => {
  const { onSocket } = await onBoth({});
  const clients = Array.from({ length: 200 }, () => createConnection(onSocket.socketPath));
  onTestFinished(() => clients.forEach((client) => void client.destroy()));
  const closed = clients.map(
    (client) => new Promise((resolve) => client.on("error", resolve).on("close", resolve)),
  );
  await Promise.race(closed);
  const { status } = await sendRequest(onSocket, { method: "GET", path: "/admin/status" });
  expect(status).toBe(200);
});
