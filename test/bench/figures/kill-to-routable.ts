import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";

const IDLE_MS = 500;

/** From SIGKILL of an idle worker to its model being routable again in a new process: load and canary included. */
export const killToRoutable: Figure = {
  name: "kill-to-routable",
  title: "kill -9 of an idle worker to routable again",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  async measure(context) {
    // A service of its own each time: repeated deaths of one model are slowed down on purpose.
    const service = await context.freshService();
    try {
      const { worker } = await service.routable(context.places.modelId);
      if (worker === null) throw new Error("expected a routable model to have a worker");
      await delay(IDLE_MS);
      const killedAt = performance.now();
      process.kill(worker.pid, "SIGKILL");
      await service.routable(context.places.modelId, worker.pid);
      return [performance.now() - killedAt];
    } finally {
      await service.end();
    }
  },
};
