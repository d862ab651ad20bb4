import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LmxError } from "../../../shared/errors.ts";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { eventStream } from "../../../supervisor/http/streaming/event-stream.ts";
import type { StreamEncoder } from "../../../supervisor/http/streaming/stream-encoder.ts";
import { FakeGeneration, FINISH } from "../fake-cluster.ts";

/** Says the plain names of things, so that a test reads as a transcript. */
const encoder: StreamEncoder<GenerationEvent> = {
  open: () => "open",
  event: (event) => ("text" in event ? event.text : event.type),
  close: () => "close",
  fail: ({ code }) => `fail ${code}`,
  keepAlive: () => "alive",
};

function start(generation: FakeGeneration, keepAliveMs = 10_000, patienceMs = () => 30_000) {
  const happened: unknown[] = [];
  const stream = eventStream(generation, encoder, {
    keepAliveMs,
    patienceMs,
    onEnd: (outcome, error) => void happened.push(error === undefined ? outcome : [outcome, error.code]),
  });
  const reader = stream.getReader();
  const read = async () => {
    const { done, value } = await reader.read();
    return done ? undefined : new TextDecoder().decode(value);
  };
  return { reader, happened, read };
}

async function readAll(read: () => Promise<string | undefined>): Promise<string[]> {
  const all: string[] = [];
  for (let next = await read(); next !== undefined; next = await read()) all.push(next);
  return all;
}

const text = (value: string) => ({ type: "text" as const, text: value });

describe("eventStream", () => {
  it("opens, writes each event once and ends after finish", async () => {
    const generation = new FakeGeneration([text("a"), text("b"), FINISH]);
    const { read, happened } = start(generation);
    expect(await readAll(read)).toEqual(["open", "a", "b", "finish", "close"]);
    expect(happened).toEqual(["finished"]);
    await generation.released;
  });

  it("skips events that write nothing", async () => {
    const { read } = start(new FakeGeneration([text(""), text(""), text("a"), FINISH]));
    expect([await read(), await read(), await read()]).toEqual(["open", "a", "finish"]);
  });

  it("ends with the dialect's failure when the generation throws", async () => {
    const generation = new FakeGeneration([text("a")]);
    const { read, happened } = start(generation);
    expect([await read(), await read()]).toEqual(["open", "a"]);
    generation.push(new LmxError("worker_crashed", "died"));
    expect([await read(), await read()]).toEqual(["fail worker_crashed", undefined]);
    expect(happened).toEqual([["failed", "worker_crashed"]]);
  });

  it("asks for the next event only when the client took the last: a slow reader never drains the source", async () => {
    const generation = new FakeGeneration(Array.from({ length: 100 }, () => text("x")));
    const stream = eventStream(generation, encoder, {
      keepAliveMs: 10_000,
      patienceMs: () => 30_000,
      onEnd: () => {},
    });
    const reader = stream.getReader();
    await reader.read();
    await reader.read();
    expect(generation.asked).toBeLessThanOrEqual(3);
    await reader.cancel();
  });
});

describe("eventStream when the client leaves", () => {
  it("cancels at once, while an event is awaited, and ends once", async () => {
    const generation = new FakeGeneration();
    const { read, reader, happened } = start(generation);
    await read();
    await reader.cancel();
    await generation.released;
    generation.push(FINISH);
    expect(happened).toEqual(["client_left"]);
  });
});

describe("eventStream in a silence", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("says a sign of life every interval from the opening on", async () => {
    const { read } = start(new FakeGeneration(), 10_000);
    expect(await read()).toBe("open");
    for (const _round of [1, 2]) {
      const next = read();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await next).toBe("alive");
    }
  });

  it("counts from the last write, not from the last event", async () => {
    const generation = new FakeGeneration();
    const { read } = start(generation, 10_000);
    expect(await read()).toBe("open");
    const first = read();
    await vi.advanceTimersByTimeAsync(6_000);
    generation.push(text(""));
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await first).toBe("alive");
    generation.push(text("a"));
    expect(await read()).toBe("a");
    const later: unknown[] = [];
    void read().then((value) => later.push(value));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(later).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(later).toEqual(["alive"]);
  });

  it("adds nothing to the queue of a client that does not read", async () => {
    const generation = new FakeGeneration();
    const { read } = start(generation, 10);
    await vi.advanceTimersByTimeAsync(1_000);
    generation.push(text("a"), FINISH);
    expect(await readAll(read)).toEqual(["open", "a", "finish", "close"]);
  });

  it("leaves no timer behind", async () => {
    const { read } = start(new FakeGeneration([FINISH]));
    await readAll(read);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("eventStream whose client does not read", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("ends with an error after its patience, and lets its generation go", async () => {
    const generation = new FakeGeneration([text("a")]);
    const { read, happened } = start(generation, 10_000, () => 5_000);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(happened).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(happened).toEqual([["failed", "rate_limit_exceeded"]]);
    await generation.released;
    expect(vi.getTimerCount()).toBe(0);
    expect(await readAll(read)).toEqual(["open", "fail rate_limit_exceeded"]);
  });

  it("counts from the last thing it took, and not while nothing waits for it", async () => {
    const generation = new FakeGeneration();
    const { read, happened } = start(generation, 60_000, () => 5_000);
    await vi.advanceTimersByTimeAsync(4_000);
    await read();
    const next = read();
    await vi.advanceTimersByTimeAsync(30_000);
    generation.push(text("a"));
    expect(await next).toBe("a");
    generation.push(text("b"));
    await vi.advanceTimersByTimeAsync(4_000);
    expect(happened).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(happened).toEqual([["failed", "rate_limit_exceeded"]]);
  });

  it("asks for its patience anew each time: others may come to wait", async () => {
    let patienceMs = 30_000;
    const { happened } = start(new FakeGeneration(), 10_000, () => patienceMs);
    await vi.advanceTimersByTimeAsync(6_000);
    patienceMs = 5_000;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(happened).toEqual([["failed", "rate_limit_exceeded"]]);
  });
});
