import { describe, expect, it } from "vitest";
import type { StepRow } from "../../shared/worker-protocol.ts";
import { FakeWorker, REQUEST } from "../support/fake-worker.ts";

/** A worker with one running request, and what its listener and its watch heard. */
async function serving() {
  const worker = new FakeWorker(1);
  const rows: StepRow[] = [];
  const heard = { violations: 0, babbles: 0 };
  worker.session.onViolation = () => {
    heard.violations += 1;
  };
  worker.session.onBabble = () => {
    heard.babbles += 1;
  };
  const listener = { onRow: (row: StepRow) => void rows.push(row), onLost() {} };
  await worker.session.generate("r1", REQUEST, listener);
  const step = (...given: unknown[]) => worker.say("step", { step: 1, rows: given });
  return { worker, rows, heard, step };
}

const sound = { request_id: "r1", position: 0, token_ids: [3], events: [] };

describe("what a worker says of its rows", () => {
  it("reaches whom it is for, and is no fault when that one has gone", async () => {
    const { rows, heard, step } = await serving();
    step(sound, { request_id: "gone", token_ids: "not even read" });
    expect(rows).toEqual([sound]);
    expect(heard).toEqual({ violations: 0, babbles: 0 });
  });

  it("is not read any more after the third row that cannot be", async () => {
    const { rows, heard, step } = await serving();
    step(...new Array(1_000).fill({}));
    expect(heard).toEqual({ violations: 3, babbles: 1 });
    step(sound);
    expect(rows).toEqual([]);
  });

  it("is one fault where there are more rows than a batch has", async () => {
    const { rows, heard, step } = await serving();
    step(...new Array(3_000).fill(sound));
    expect(rows).toEqual([]);
    expect(heard.violations).toBe(1);
  });

  it("with a name of megabytes ends that request alone", async () => {
    const { rows, heard, step } = await serving();
    const call = { type: "tool_call", index: 0, id: "1", name: "x".repeat(7_000_000), arguments: "{}" };
    step({ ...sound, events: [call] });
    expect(rows).toMatchObject([{ events: [{ type: "error", code: "worker_crashed" }] }]);
    expect(heard).toEqual({ violations: 1, babbles: 0 });
  });
});

describe("what a worker says of its memory", () => {
  it("is no more than the machine has", async () => {
    const worker = new FakeWorker(1, ["load"]);
    const loading = worker.session.load({} as never, 1_000);
    worker.asked.at(-1)?.answer({ memory_bytes: 8e12, peak_memory_bytes: 8e12 });
    const { memory_bytes, peak_memory_bytes } = await loading;
    expect(Math.max(memory_bytes, peak_memory_bytes)).toBeLessThan(8e12);
  });
});
