import { expect, it } from "vitest";
import type { RuntimeProgress } from "../../supervisor/runtime/build-runtime.ts";
import { showRuntimeProgress } from "../../supervisor/runtime/show-runtime-progress.ts";

function shown(isTTY: boolean, events: readonly RuntimeProgress[]): string[] {
  const written: string[] = [];
  const show = showRuntimeProgress({ isTTY, write: (text) => written.push(text) });
  for (const event of events) show(event);
  return written;
}

const packages = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ kind: "package", name: `p${index + 1}` }) as const);

it("writes a line per step and per ten packages into a file", () => {
  const events: RuntimeProgress[] = [
    { kind: "step", step: "installing the packages with pip" },
    ...packages(11),
    { kind: "done", seconds: 51.2 },
  ];
  expect(shown(false, events)).toEqual([
    "Building the Python runtime: once, about a minute\n",
    "  installing the packages with pip\n",
    "  10 packages\n",
    "The Python runtime stands after 51 s\n",
  ]);
});

it("rewrites one line for the packages on a terminal", () => {
  const [first, second] = shown(true, packages(2));
  expect(first).toMatch(/^\r.*1 p1$/);
  expect(second).toMatch(/^\r.*2 p2$/);
});

it("names once whom it waits for", () => {
  const waiting: RuntimeProgress[] = [
    { kind: "waiting", pid: 41 },
    { kind: "waiting", pid: 41 },
    { kind: "waiting", pid: 42 },
  ];
  expect(shown(false, waiting)).toEqual([
    "Waiting for process 41, which is building the Python runtime\n",
    "Waiting for process 42, which is building the Python runtime\n",
  ]);
});
