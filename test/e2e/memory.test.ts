import { afterAll, beforeAll, expect, it } from "vitest";
import { debuggerUrlIn, INSPECTABLE, ProcessInspector } from "../support/process-inspector.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
/** Node's own limit depends on the machine and is 4 GB on most. */
const OLD_SPACE_MIB = 1024;
/** Node left to itself takes longer, if it ever does. */
const WITHIN_MS = 30_000;

let supervisor: RunningSupervisor;
let inspector: ProcessInspector;

beforeAll(async () => {
  supervisor = await RunningSupervisor.start({ env: { NODE_OPTIONS: INSPECTABLE } });
  process.kill(supervisor.pid, "SIGUSR1");
  await supervisor.outputShows(/Debugger listening/);
  inspector = await ProcessInspector.connect(debuggerUrlIn(supervisor.output) ?? "");
});

afterAll(async () => {
  inspector.close();
  await supervisor.dispose();
});

async function heap<T>(expression: string): Promise<T> {
  return await inspector.evaluate<T>(`process.getBuiltinModule("node:v8").${expression}`);
}

it("a service's heap may not grow to gigabytes", async () => {
  const limitBytes = await heap<number>("getHeapStatistics().heap_size_limit");
  expect(limitBytes).toBeGreaterThanOrEqual(OLD_SPACE_MIB * MIB);
  // The rest is the young generation.
  expect(limitBytes).toBeLessThan((OLD_SPACE_MIB + 256) * MIB);
});

it(
  "a service at rest collects, and gives back the room for new objects that it took to start",
  async () => {
    await inspector.evaluate(`new Promise((resolve) => {
    const { PerformanceObserver, constants } = process.getBuiltinModule("node:perf_hooks");
    const isMajor = ({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
    new PerformanceObserver((list) => list.getEntries().some(isMajor) && resolve()).observe({ entryTypes: ["gc"] });
  })`);
    const spaces = await heap<{ space_name: string; space_size: number }[]>("getHeapSpaceStatistics()");
    expect(spaces.find(({ space_name }) => space_name === "new_space")?.space_size).toBeLessThan(3 * MB);
  },
  WITHIN_MS,
);
