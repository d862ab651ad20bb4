import { Hono } from "hono";
import { expect, it } from "vitest";
import type { AppEnv } from "../../../supervisor/http/app-context.ts";
import { jsonAnswer } from "../../../supervisor/http/streaming/json-answer.ts";

const WRITE = "x".repeat(64 * 1024);

function answering(pieces: () => Iterable<string>) {
  return new Hono<AppEnv>().get("/", (c) => jsonAnswer(c, pieces()));
}

/** A piece that takes a while to make. */
function slowly(text: string): string {
  const until = performance.now() + 3;
  while (performance.now() < until);
  return text;
}

it("is the text of its pieces, with its length", async () => {
  const app = answering(() => ['{"a":', `"${WRITE}é"`, "}"]);
  const response = await app.request("/");
  const text = await response.text();
  expect(JSON.parse(text)).toEqual({ a: `${WRITE}é` });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
});

it("leaves turns for everybody else while it is made", async () => {
  let turns = 0;
  const count = () => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const app = answering(function* () {
    for (let piece = 0; piece < 40; piece++) yield slowly(WRITE);
  });
  await (await app.request("/")).text();
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(5);
});

it("sends nothing when a piece cannot be made", async () => {
  const app = answering(function* () {
    yield WRITE;
    throw new Error("no finish");
  });
  app.onError((error, c) => c.text(error.message, 500));
  const response = await app.request("/");
  expect([response.status, await response.text()]).toEqual([500, "no finish"]);
});

it("stops when its client leaves", async () => {
  const leaving = new AbortController();
  let made = 0;
  const app = answering(function* () {
    for (; made < 1000; made++) {
      if (made === 10) leaving.abort();
      yield slowly(WRITE);
    }
  });
  app.onError((_error, c) => c.text("", 499 as never));
  await app.request(new Request("http://localhost/", { signal: leaving.signal }));
  expect(made).toBeLessThan(100);
});
