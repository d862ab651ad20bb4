import { describe, expect, it } from "vitest";
import { Metrics } from "../../../supervisor/http/metrics/metrics.ts";

/** Values by series, such as `num_requests_running{model_name="m"}`. */
async function values(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.render([])).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice("opta_lmx_".length, end), Number(line.slice(end + 1))];
    }),
  );
}

const M = '{model_name="m"}';

describe("the numbers of a request", () => {
  it("waits, runs and comes to its end", async () => {
    const metrics = new Metrics();
    const request = metrics.observer.requestArrived("m");
    expect(await values(metrics)).toMatchObject({ [`num_requests_waiting${M}`]: 1 });
    request.accepted(7);
    expect(await values(metrics)).toMatchObject({
      [`num_requests_waiting${M}`]: 0,
      [`num_requests_running${M}`]: 1,
      [`prompt_tokens_total${M}`]: 7,
      [`request_queue_time_seconds_count${M}`]: 1,
    });
    request.tokens(1);
    request.tokens(2);
    request.ended("length");
    expect(await values(metrics)).toMatchObject({
      [`num_requests_running${M}`]: 0,
      [`generation_tokens_total${M}`]: 3,
      [`time_to_first_token_seconds_count${M}`]: 1,
      [`inter_token_latency_seconds_count${M}`]: 1,
      [`e2e_request_latency_seconds_count${M}`]: 1,
      'request_success_total{model_name="m",finished_reason="length"}': 1,
    });
  });

  it.each(["failed", "cancelled"] as const)("is no success when it %s, and leaves its place", async (how) => {
    const metrics = new Metrics();
    for (const accepted of [true, false]) {
      const request = metrics.observer.requestArrived("m");
      if (accepted) request.accepted(1);
      request.ended(how);
    }
    const after = await values(metrics);
    expect(after).toMatchObject({ [`num_requests_waiting${M}`]: 0, [`num_requests_running${M}`]: 0 });
    expect(Object.keys(after).filter((name) => name.startsWith("request_success"))).toEqual([]);
  });
});

describe("the numbers of workers", () => {
  it("count exits by cause and restarts, and forget the memory of a dead one", async () => {
    const metrics = new Metrics();
    const { observer } = metrics;
    observer.workerStarted("m", false);
    observer.workerMemory("m", { active: 1, peak: 2, cache: 3 });
    expect(await values(metrics)).toMatchObject({ 'worker_memory_bytes{model_name="m",kind="peak"}': 2 });
    observer.workerExited("m", "sigsegv");
    observer.workerStarted("m", true);
    const after = await values(metrics);
    expect(after).toMatchObject({
      'worker_exits_total{model_name="m",cause="sigsegv"}': 1,
      [`worker_restarts_total${M}`]: 1,
    });
    expect(Object.keys(after).filter((name) => name.startsWith("worker_memory"))).toEqual([]);
  });

  it("time loads and canaries", async () => {
    const metrics = new Metrics();
    metrics.observer.loaded("m", 2);
    metrics.observer.canaried("m", 0.2);
    expect(await values(metrics)).toMatchObject({
      [`load_duration_seconds_sum${M}`]: 2,
      [`canary_duration_seconds_sum${M}`]: 0.2,
    });
  });
});
