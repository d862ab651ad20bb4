import { expect, it } from "vitest";
import { FairTaskQueue, taskOptions } from "../../../supervisor/http/body/fair-task-queue.ts";

const task = (owner: string, name: string) => ({ [taskOptions]: { owner }, name }) as never;
const names = (queue: FairTaskQueue) => {
  const taken: string[] = [];
  for (let next = queue.shift(); next !== null; next = queue.shift())
    taken.push((next as unknown as { name: string }).name);
  return taken;
};

it("owners take turns, whoever came with more", () => {
  const queue = new FairTaskQueue();
  for (const name of ["a1", "a2", "a3"]) queue.push(task("a", name));
  queue.push(task("b", "b1"));
  queue.push(task("c", "c1"));
  queue.push(task("b", "b2"));
  expect(queue.size).toBe(6);
  expect(names(queue)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  expect(queue.size).toBe(0);
});

it("a task that is taken back leaves its owner's turn to the next", () => {
  const queue = new FairTaskQueue();
  const gone = task("a", "a1");
  for (const one of [gone, task("a", "a2"), task("b", "b1")]) queue.push(one);
  queue.remove(gone);
  queue.remove(gone);
  expect(queue.size).toBe(2);
  expect(names(queue)).toEqual(["a2", "b1"]);
});
