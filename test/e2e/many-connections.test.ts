import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { isGone, RunningSupervisor } from "../support/running-supervisor.ts";

const DESCRIPTORS = 400;
const SOCKETS = 600;

let supervisor: RunningSupervisor;

beforeAll(async () => {
  supervisor = await RunningSupervisor.start({ descriptors: DESCRIPTORS });
});

afterAll(() => supervisor.dispose());

/** A connection whose request never comes to its end. */
async function unfinished(url: URL): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx: ");
  return socket;
}

/** On a connection of its own: one that was kept from an earlier request may just have given its place away. */
async function probe(url: URL): Promise<number | undefined> {
  const request = get(new URL("/livez", url), { agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

it("more connections than descriptors keep out neither probes and requests nor the next worker", async () => {
  const before = await supervisor.model("lmx-demo");
  const url = new URL(supervisor.url);
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => unfinished(url)));
  expect(await probe(url)).toBe(200);
  const health = (await (await supervisor.fetch("/admin/health")).json()) as {
    checks: { name: string; status: string; detail: string }[];
  };
  expect(health.checks).toContainEqual(expect.objectContaining({ name: "connections", status: "warn" }));

  const pid = before.worker?.pid ?? 0;
  process.kill(pid, "SIGKILL");
  await isGone(pid, 10_000);
  await supervisor.becomes("lmx-demo", "routable", pid);
  const answer = await supervisor.chat("lmx-demo", "ping");
  expect(((await answer.json()) as { choices: unknown[] }).choices).toHaveLength(1);
  expect(supervisor.output).not.toContain("EMFILE");
  for (const socket of sockets) socket.destroy();
});
