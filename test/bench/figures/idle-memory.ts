import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Figure } from "../figure.ts";

/** V8 collects when nothing has happened for eight seconds. */
const SETTLE_MS = 10_000;

/** Resident memory of the supervisor process with a model routable and nothing to do. Megabytes of 10⁶ bytes. */
export const idleMemory: Figure = {
  name: "idle-memory",
  title: "resident memory of the idle supervisor",
  unit: "MB",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 110 }],
  async measure(context) {
    const service = await context.freshService();
    try {
      // The first start compiles the program, and keeps what that took.
      await service.startAgain();
      await service.routable(context.places.modelId);
      await delay(SETTLE_MS);
      const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(service.child.pid)]);
      return [(Number(stdout) * 1024) / 1e6];
    } finally {
      await service.end();
    }
  },
};
