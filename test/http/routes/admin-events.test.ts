import { connect } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { ServiceEvent } from "../../../shared/events.ts";
import { MOST_UNSENT_BYTES } from "../../../supervisor/http/streaming/event-feed.ts";
import { EventLog } from "../../../supervisor/telemetry/event-log.ts";
import { serve } from "../served-app.ts";
import { errorOf, type TestAppOptions, testApp } from "../test-app.ts";

const START = 5_000;

interface Frame {
  readonly id: string;
  readonly event: string;
  readonly data: ServiceEvent;
}

/** Reads frames one by one; a comment is its text. */
function framesOf(response: Response) {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  const next = async (): Promise<Frame | string | null> => {
    for (;;) {
      const end = rest.indexOf("\n\n");
      if (end === -1) {
        const { done, value } = await reader.read();
        if (done) return null;
        rest += decoder.decode(value, { stream: true });
        continue;
      }
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      if (field("data") === "") return lines.join("\n");
      return { id: field("id"), event: field("event"), data: JSON.parse(field("data")) };
    }
  };
  return { next, leave: () => reader.cancel().catch(() => {}) };
}

async function listening(options: TestAppOptions = {}, query = "", headers: Record<string, string> = {}) {
  const events = options.events ?? new EventLog(() => START);
  const test = testApp({ ...options, events });
  const response = await test.app.request(`/admin/events${query}`, { headers });
  expect(response.status).toBe(200);
  const frames = framesOf(response);
  onTestFinished(() => frames.leave());
  expect(await frames.next()).toBe("retry: 2000");
  return { ...test, events, response, ...frames };
}

function filled(count: number): EventLog {
  const events = new EventLog(() => START);
  for (let index = 0; index < count; index += 1)
    events.emit({ type: "state", model: index % 2 === 0 ? "a" : "b" });
  return events;
}

it("HEAD has the headers and leaves nobody listening", async () => {
  const events = new EventLog(() => START);
  const subscribe = vi.spyOn(events, "subscribe");
  const { app } = testApp({ events });
  const response = await app.request("/admin/events", { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  expect(subscribe).not.toHaveBeenCalled();
});

/** Numbers until the stream ends or says nothing more. */
async function ids(next: () => Promise<Frame | string | null>, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (let index = 0; index < count; index += 1) {
    const frame = await next();
    if (frame === null || typeof frame === "string") seen.push(frame);
    else seen.push(frame.event === "reset" ? "reset" : Number(frame.id) - START);
  }
  return seen;
}

describe("GET /admin/events", () => {
  it("sends events as they happen, each with its number and type", async () => {
    const { events, next, response } = await listening();
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    events.emit({ type: "released", model: "m", details: { line: "a\n\nb" } });
    expect(await next()).toEqual({
      id: String(START),
      event: "released",
      data: {
        id: START,
        ts: new Date(START).toISOString(),
        type: "released",
        model: "m",
        reason: null,
        details: { line: "a\n\nb" },
      },
    });
  });

  it.each([
    ["?last_event_id=5001", {}, [2, 3, 4, 5]],
    ["", { "last-event-id": "5003" }, [4, 5]],
    ["?last_event_id=5000", { "last-event-id": "5004" }, [5]],
    ["?last_event_id=0", {}, ["reset", 0, 1, 2, 3, 4, 5]],
    ["", { "last-event-id": "somebody else's" }, ["reset", 0, 1, 2, 3, 4, 5]],
    ["?last_event_id=99999", {}, ["reset", 0, 1, 2, 3, 4, 5]],
    ["?last_event_id=5000&model=b", {}, [1, 3, 5]],
    ["?last_event_id=0&model=b", {}, ["reset", 1, 3, 5]],
  ] as const)("%s %j goes on where the client left", async (query, headers, expected) => {
    const { events, next } = await listening({ events: filled(6) }, query, headers);
    expect(await ids(next, expected.length)).toEqual(expected);
    events.emit({ type: "state", model: "b" });
    expect(await ids(next, 1)).toEqual([6]);
  });

  it("ends after what has happened, when asked to", async () => {
    const { next, logLines } = await listening({ events: filled(3) }, "?last_event_id=4999&follow=false");
    expect(await ids(next, 4)).toEqual([0, 1, 2, null]);
    await vi.waitFor(() => expect(logLines.at(-1)).toMatchObject({ msg: "request", outcome: "finished" }));
  });

  it("breaks a silence with a comment", async () => {
    const { next } = await listening({ keepAliveMs: 5 });
    expect(await next()).toBe(": keep-alive");
    expect(await next()).toBe(": keep-alive");
  });

  it("ends when the service stops, and when the client leaves nothing is kept for it", async () => {
    const { events, next } = await listening();
    events.close();
    expect(await next()).toBeNull();
    const subscribed = { now: 0 };
    const counting = new EventLog();
    const subscribe = counting.subscribe.bind(counting);
    counting.subscribe = (after, reader) => {
      subscribed.now += 1;
      const { backlog, stop } = subscribe(after, reader);
      const leave = () => {
        stop();
        subscribed.now -= 1;
      };
      return { backlog, stop: leave };
    };
    const second = await listening({ events: counting });
    expect(subscribed.now).toBe(1);
    await second.leave();
    expect(subscribed.now).toBe(0);
  });

  it.each(["?last_event_id=-1", "?last_event_id=x", "?follow=maybe"])("%s is 400", async (query) => {
    const response = await testApp().app.request(`/admin/events${query}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_request_error" });
  });

  it("needs the admin key where there is one", async () => {
    const { app } = testApp({ config: { admin_keys: ["admin-secret"] } });
    expect((await app.request("/admin/events")).status).toBe(401);
  });
});

describe("a reader that does not read", () => {
  const LARGE = { text: "x".repeat(100_000) };

  it("is dropped after 1 MiB, and the one beside it misses nothing", async () => {
    const events = new EventLog(() => START);
    const slow = await listening({ events });
    const quick = await listening({ events });
    for (let index = 0; index < 40; index += 1) {
      events.emit({ type: "state", details: LARGE });
      expect(await ids(quick.next, 1)).toEqual([index]);
    }
    await expect(
      (async () => {
        while ((await slow.next()) !== null);
      })(),
    ).rejects.toThrow("too slow");
    await vi.waitFor(() => expect(slow.logLines.at(-1)).toMatchObject({ msg: "request", outcome: "failed" }));
  });

  it("is not one that has a long backlog to take", async () => {
    const events = new EventLog(() => START);
    for (let index = 0; index < 40; index += 1) events.emit({ type: "state", details: LARGE });
    const { next } = await listening({ events }, "?last_event_id=4999");
    events.emit({ type: "state" });
    expect(await ids(next, 41)).toEqual(Array.from({ length: 41 }, (_, index) => index));
  });

  it("loses its connection, and the service goes on", async () => {
    const events = new EventLog(() => START);
    const { listener, app } = await serve({ events });
    const socket = connect(listener.port, "127.0.0.1");
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const first = new Promise((resolve) => socket.once("data", resolve));
    socket.write("GET /admin/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    await first;
    socket.pause();
    // What the two sockets hold comes on top of what may wait.
    let sent = 0;
    const ended = vi.fn();
    socket.once("close", ended);
    while (sent < 64 * MOST_UNSENT_BYTES && ended.mock.calls.length === 0) {
      events.emit({ type: "state", details: LARGE });
      sent += 100_000;
      if (sent % 1_000_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    socket.resume();
    await closed;
    expect((await app.request("/livez")).status).toBe(200);
  });
});
