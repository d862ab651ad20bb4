import { afterAll, beforeAll, expect, it } from "vitest";
import { environmentOf, HAS_PROC } from "../soak/local-processes.ts";
import { debuggerUrlIn, INSPECTABLE, ProcessInspector } from "../support/process-inspector.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
/** Node's own limit depends on the machine and is 4 GB on most. */
const OLD_SPACE_MIB = 1024;
/** And 96 for these. */
const NEW_OBJECTS_MIB = 12;
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
  expect(limitBytes).toBeLessThanOrEqual((OLD_SPACE_MIB + NEW_OBJECTS_MIB) * MIB);
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

it.runIf(HAS_PROC)(
  "a service's allocator gives large buffers back at once, a worker's is left alone",
  async () => {
    const { worker } = await supervisor.model("lmx-demo");
    const threshold = (pid: number) => environmentOf(pid, "MALLOC_MMAP_THRESHOLD_");
    expect(threshold(supervisor.pid)).toBe("131072");
    expect(threshold(worker?.pid ?? 0)).toBeNull();
    // Otherwise the worker's was not read.
    expect(environmentOf(worker?.pid ?? 0, "TMPDIR")).not.toBeNull();
  },
);
