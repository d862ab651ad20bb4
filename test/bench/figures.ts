import type { Figure } from "./figure.ts";
import { addedLatency } from "./figures/added-latency.ts";
import { largeBodyHold, smallBodyHold } from "./figures/body-hold.ts";
import { cancelRecovery } from "./figures/cancel-recovery.ts";
import { cancelToNextStep } from "./figures/cancel-to-next-step.ts";
import { firstTokenBesideGreedy, greedyOvertime } from "./figures/first-token-beside-greedy.ts";
import { firstTokenBesidePrefill } from "./figures/first-token-beside-prefill.ts";
import { firstTokenBesideStream } from "./figures/first-token-beside-stream.ts";
import { firstTokenIdle } from "./figures/first-token-idle.ts";
import { idleMemory } from "./figures/idle-memory.ts";
import { killToRoutable, recoveryOverhead } from "./figures/kill-to-routable.ts";
import { listening, listeningFirst } from "./figures/listening.ts";
import { inspectFiles, inspectHold, probeAgain, probeFirst } from "./figures/probe-many-shards.ts";
import { quarantineRefusal } from "./figures/quarantine-refusal.ts";
import { throughput } from "./figures/throughput.ts";

/** Every figure, in the order of the table. */
export const FIGURES: readonly Figure[] = [
  throughput(1, 512, [{ kind: "ratio", of: "opta-lmx", against: "bare", direction: "at-least", value: 0.9 }]),
  throughput(8, 256, []),
  throughput(32, 192, [
    { kind: "ratio", of: "opta-lmx", against: "mlx_lm.server", direction: "at-least", value: 1.1 },
  ]),
  firstTokenIdle,
  firstTokenBesideStream,
  firstTokenBesidePrefill,
  firstTokenBesideGreedy,
  greedyOvertime,
  cancelRecovery,
  cancelToNextStep,
  addedLatency,
  listeningFirst,
  listening,
  idleMemory,
  killToRoutable,
  recoveryOverhead,
  quarantineRefusal,
  smallBodyHold,
  largeBodyHold,
  probeFirst,
  probeAgain,
  inspectFiles,
  inspectHold,
];
