import { describe, expect, it } from "vitest";
import { PerformanceLog } from "../../supervisor/telemetry/performance.ts";

function withClock() {
  let now = 1000;
  const log = new PerformanceLog(() => now);
  const after = (ms: number) => {
    now += ms;
  };
  /** One request: `firstMs` until its first token, then one token every `tokenMs`. */
  const request = (firstMs: number, tokenMs: number, tokens = 11) => {
    const one = log.observer.requestArrived("m");
    one.accepted(3);
    after(firstMs);
    one.tokens(1);
    for (let token = 1; token < tokens; token += 1) {
      after(tokenMs);
      one.tokens(1);
    }
    one.ended("stop");
  };
  return { log, after, request };
}

describe("a model's requests", () => {
  it("are counted by where they are and how they ended", () => {
    const { log } = withClock();
    const [waiting, running, done, failed, refused, left] = Array.from({ length: 6 }, () =>
      log.observer.requestArrived("m"),
    );
    for (const one of [running, done, failed, left]) one!.accepted(1);
    done!.ended("length");
    failed!.ended("failed");
    refused!.ended("failed");
    left!.ended("cancelled");
    expect(log.of("m").requests).toEqual({
      total: 6,
      succeeded: 1,
      failed: 2,
      cancelled: 1,
      running: 1,
      waiting: 1,
    });
    waiting!.ended("cancelled");
    running!.ended("tool_calls");
    expect(log.of("m").requests).toMatchObject({
      total: 6,
      running: 0,
      waiting: 0,
      succeeded: 2,
      cancelled: 2,
    });
  });

  it("tell the time to the first token and the speed after it", () => {
    const { log, request } = withClock();
    for (let index = 0; index < 19; index += 1) request(500, 20);
    request(4000, 100);
    const { time_to_first_token_seconds, tokens_per_second, sample } = log.of("m");
    expect(time_to_first_token_seconds).toEqual({ p50: 0.5, p95: 0.5 });
    expect(tokens_per_second).toEqual({ p50: 50, p95: 50 });
    expect(sample).toEqual({ requests: 20, limit: 500 });
    request(4000, 10);
    expect(log.of("m").time_to_first_token_seconds.p95).toBe(4);
    expect(log.of("m").tokens_per_second.p95).toBe(50);
  });

  it("that had no token, or one only, have no speed", () => {
    const { log, request } = withClock();
    log.observer.requestArrived("m").ended("failed");
    expect(log.of("m").time_to_first_token_seconds).toEqual({ p50: null, p95: null });
    request(100, 0, 1);
    expect(log.of("m").time_to_first_token_seconds.p50).toBe(0.1);
    expect(log.of("m").tokens_per_second).toEqual({ p50: null, p95: null });
  });

  it("are forgotten one by one: percentiles are of the newest 500, counts of all", () => {
    const { log, request } = withClock();
    for (let index = 0; index < 500; index += 1) request(9000, 1, 2);
    for (let index = 0; index < 500; index += 1) request(100, 1, 2);
    const { sample, requests, time_to_first_token_seconds } = log.of("m");
    expect(sample.requests).toBe(500);
    expect(requests.succeeded).toBe(1000);
    expect(time_to_first_token_seconds).toEqual({ p50: 0.1, p95: 0.1 });
  });
});

describe("a model's workers", () => {
  it("are counted, and their memory goes with them", () => {
    const { log } = withClock();
    const { observer } = log;
    observer.workerStarted("m", false);
    observer.loaded("m", 2);
    observer.canaried("m", 0.5);
    observer.workerMemory("m", { active: 1, peak: 2, cache: 3 });
    expect(log.of("m")).toMatchObject({
      memory: { active: 1, peak: 2, cache: 3 },
      load_seconds: 2,
      canary_seconds: 0.5,
    });
    observer.workerExited("m", "sigsegv");
    observer.workerStarted("m", true);
    observer.workerExited("m", "sigsegv");
    expect(log.of("m").memory).toBeNull();
    expect(log.of("m").workers).toEqual({ started: 2, restarted: 1, exits: { sigsegv: 2 } });
  });

  it("of another model are another's, and a model nobody used has zeros", () => {
    const { log, request } = withClock();
    request(1, 1);
    expect(log.of("other").requests.total).toBe(0);
    expect(log.of("other").workers).toEqual({ started: 0, restarted: 0, exits: {} });
  });
});
