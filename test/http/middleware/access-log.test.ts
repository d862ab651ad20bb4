import { expect, it } from "vitest";
import { FakeCluster, FakeGeneration, PONG } from "../fake-cluster.ts";
import { chat, testApp } from "../test-app.ts";

const SECRET = "tell nobody";

it("writes one line per request with id, method, path, status, time and model, and no body, query or key", async () => {
  const { app, logLines } = testApp({ config: { api_keys: ["key-12345678"] } });
  const messages = [{ role: "user", content: SECRET }];
  await app.request("/v1/models?token=abc", { headers: { authorization: "Bearer key-12345678" } });
  await chat(app, { messages }, { authorization: "Bearer key-12345678", "x-request-id": "mine" });
  expect(logLines).toHaveLength(2);
  expect(logLines[0]).toMatchObject({
    method: "GET",
    path: "/v1/models",
    status: 200,
    ms: expect.any(Number),
  });
  expect(logLines[1]).toMatchObject({
    id: "mine",
    method: "POST",
    path: "/v1/chat/completions",
    status: 200,
    model: "demo",
  });
  expect(JSON.stringify(logLines)).not.toMatch(/tell nobody|key-12345678|abc/);
});

it("logs refusals with their status", async () => {
  const { app, logLines } = testApp();
  await app.request("/nope");
  expect(logLines).toEqual([expect.objectContaining({ path: "/nope", status: 404 })]);
});

it("logs a stream when it is over, with how it ended", async () => {
  const cluster = new FakeCluster();
  const generation = new FakeGeneration();
  cluster.onGenerate = () => generation;
  const { app, logLines } = testApp({ cluster });
  const response = await chat(app, { stream: true });
  expect(logLines).toEqual([]);
  generation.push(...PONG);
  await response.text();
  expect(logLines).toEqual([expect.objectContaining({ status: 200, outcome: "finished" })]);
});

it("keeps health probes below info", async () => {
  const { app, logLines } = testApp();
  await app.request("/livez");
  expect(logLines.map(({ level }) => level)).toEqual([20]);
});
