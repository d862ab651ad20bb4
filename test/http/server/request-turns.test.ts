import { expect, it } from "vitest";
import { MOST_WAITING } from "../../../supervisor/http/server/request-turns.ts";
import { FakeCluster, FakeGeneration, PONG } from "../fake-cluster.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { CHAT } from "../test-app.ts";

const CHAT_POST = rawPost("/v1/chat/completions", JSON.stringify(CHAT));
const PROBE = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** A server whose model answers each request when it is told to. */
async function patientModel() {
  const generations: FakeGeneration[] = [];
  const cluster = new FakeCluster();
  cluster.onGenerate = () => {
    const generation = new FakeGeneration();
    generations.push(generation);
    return generation;
  };
  const { listener } = await serve({ cluster });
  return { listener, generations, client: new RawClient(listener.port) };
}

it("begins a request when the one before it on its connection is answered", async () => {
  const { client, generations } = await patientModel();
  client.send(CHAT_POST + CHAT_POST + PROBE);
  await expect.poll(() => generations.length).toBe(1);
  generations[0]?.push(...PONG);
  await expect.poll(() => generations.length).toBe(2);
  expect(client.received).not.toContain('{"status":"ok"}');
  generations[1]?.push(...PONG);
  await client.until('{"status":"ok"}');
  expect(client.received.match(/HTTP\/1.1 200/g)).toHaveLength(3);
});

it("answers as many as may wait", async () => {
  const { listener } = await serve();
  const client = new RawClient(listener.port);
  client.send(PROBE.repeat(1 + MOST_WAITING));
  await expect.poll(() => client.received.match(/HTTP\/1.1 200/g)?.length).toBe(1 + MOST_WAITING);
  client.send(PROBE);
  await expect.poll(() => client.received.match(/HTTP\/1.1 200/g)?.length).toBe(2 + MOST_WAITING);
});

it("refuses a connection with more than may wait, and begins nothing that waits on it", async () => {
  const stackFrames = Error.stackTraceLimit;
  const { client, generations } = await patientModel();
  client.send(CHAT_POST.repeat(2 + MOST_WAITING));
  const received = await client.closed;
  expect(received).toMatch(/^HTTP\/1.1 429 /);
  expect(received).toContain(`More than ${MOST_WAITING} requests were sent on this connection`);
  expect(generations.length).toBeLessThan(2);
  // The requests that Node ended with the connection had no stacks; everybody else's errors have theirs again.
  await expect.poll(() => Error.stackTraceLimit).toBe(stackFrames);
});
