import { expect, it } from "vitest";
import { ReturningMemory } from "../../../supervisor/cluster/admission/returning-memory.ts";

const machine = () => new ReturningMemory({ longestMs: 60_000, now: () => 0 });

it("is what is missing since a worker left, and over when no more is than the figures differ by", () => {
  const returning = machine();
  expect(returning.seen(100, 0)).toBe(0);
  expect(returning.seen(20, 80)).toBe(0);
  returning.left(80);
  expect(returning.seen(20, 0)).toBe(80);
  expect(returning.seen(85, 0)).toBe(15);
  expect(returning.seen(99, 0)).toBe(0);
});

it("is over at the same difference when it comes back bit by bit", () => {
  const returning = machine();
  returning.seen(20, 80);
  returning.left(80);
  expect([20, 60, 80, 91].map((available) => returning.seen(available, 0))).toEqual([80, 40, 20, 0]);
});

it("is not what others took after it was back", () => {
  const returning = machine();
  returning.seen(100, 0);
  returning.left(80);
  expect(returning.seen(100, 0)).toBe(0);
  expect(returning.seen(70, 0)).toBe(0);
  returning.left(20);
  expect(returning.seen(70, 0)).toBe(0);
});

it("is none where what is available is not known", () => {
  const returning = machine();
  returning.seen(null, 0);
  returning.left(80);
  expect(returning.seen(null, 0)).toBe(0);
  expect(returning.seen(20, 0)).toBe(0);
});
