import { RuntimeWatch } from "../backends/mlx/runtime-watch.ts";
import type { ModelCluster } from "../cluster/model-cluster.ts";
import { readMachineMemory } from "../host/machine-memory.ts";
import { PROCESS_BYTES } from "../policy/memory/memory-estimate.ts";
import { deadmanSeconds } from "../workers/heartbeat.ts";
import { launchWorker, type WorkerPlaces } from "../workers/launch-worker.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import type { WorkerSession } from "../workers/worker-session.ts";
import type { ClusterParts } from "./cluster-parts.ts";

export interface ComposedWorkers {
  /** Not from the pool. */
  readonly spawn: () => Promise<WorkerSession>;
  readonly pool: WorkerPool;
  readonly runtimeWatch: RuntimeWatch;
}

/** Starts workers, keeps a spare one, and knows when none can be started. */
export function composeWorkers(parts: ClusterParts, cluster: () => ModelCluster): ComposedWorkers {
  const { state, runtime, places, log } = parts;
  const workerPlaces: WorkerPlaces = {
    ...places,
    table: state.workers,
    deadmanSeconds: () => deadmanSeconds(parts.config.timeouts),
  };
  const spawn = async () => await launchWorker((await runtime.ready).python, workerPlaces, log);
  const pool = new WorkerPool({
    spawn,
    keepSpare: parts.config.spare_worker,
    hasRoom: async () => {
      const { availableBytes } = await readMachineMemory();
      return availableBytes === null || availableBytes > parts.config.memory.reserve_bytes + PROCESS_BYTES;
    },
    get initializeMs() {
      return parts.config.timeouts.initialize_seconds * 1000;
    },
    log,
  });
  const runtimeWatch = new RuntimeWatch({
    prove: () => pool.prove(),
    onMended: (wasBroken) => {
      if (wasBroken) parts.telemetry.events.emit({ type: "runtime_mended" });
      cluster().runtimeMended();
    },
    now: () => performance.now(),
    log,
  });
  return { spawn, pool, runtimeWatch };
}
