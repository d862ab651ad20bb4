import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { Backlog } from "../../../supervisor/cluster/requests/backlog.ts";
import { EventQueue } from "../../../supervisor/cluster/requests/event-queue.ts";
import { FINISH } from "../../support/fake-worker.ts";

const MIB = 1024 * 1024;

const text = (characters: number): GenerationEvent => ({ type: "text", text: "x".repeat(characters) });
const call = (characters: number): GenerationEvent => ({
  type: "tool_call",
  index: 0,
  id: "1",
  name: "x".repeat(characters),
  arguments: "{}",
});

describe("the events that wait for a reader", () => {
  it("are given up when more than 1 MiB of text waits already", () => {
    const queue = new EventQueue(() => {}, new Backlog());
    expect(queue.push(text(MIB - 100))).toBe(true);
    expect(queue.push(text(1_000))).toBe(true);
    expect(queue.push(text(1))).toBe(false);
    expect(queue.ended).toBe(true);
  });

  it("count what the reader has not come back from, but not against it", async () => {
    const all = new Backlog();
    const queue = new EventQueue(() => {}, all);
    queue.push(call(3 * MIB));
    const reader = queue[Symbol.asyncIterator]();
    await reader.next();
    expect(all.bytes).toBeGreaterThan(6 * MIB);
    expect(queue.push(text(10))).toBe(true);
    await reader.next();
    expect(all.bytes).toBeLessThan(1_000);
  });

  it("of all readers together are bounded: the next large one is refused, small ones are not", () => {
    const all = new Backlog(16 * MIB);
    const queues = Array.from({ length: 900 }, () => new EventQueue(() => {}, all));
    const taken = queues.filter((queue) => queue.push(call(3 * MIB)));
    expect(taken).toHaveLength(2);
    expect(all.bytes).toBeLessThan(16 * MIB);
    const [other] = [new EventQueue(() => {}, all)];
    for (let pushed = 0; pushed < 100; pushed += 1) expect(other.push(text(10))).toBe(true);
  });

  it("are not missed by the others any more when they were read, or nobody will read them", async () => {
    const all = new Backlog();
    const [read, left, dropped] = [1, 2, 3].map(() => new EventQueue(() => {}, all));
    for (const queue of [read, left, dropped]) {
      queue?.push(text(1_000));
      queue?.push(text(1_000));
      queue?.push(FINISH);
      queue?.end();
    }
    for await (const _ of read ?? []);
    for await (const _ of left ?? []) break;
    dropped?.discard();
    expect(all.bytes).toBe(0);
  });

  it("tells when the reader leaves before the end", async () => {
    let departures = 0;
    const queue = new EventQueue(() => (departures += 1), new Backlog());
    queue.push(text(1));
    for await (const _ of queue) break;
    expect(departures).toBe(1);
  });
});
