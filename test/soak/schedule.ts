import { Random } from "./random.ts";

export type WorkerSignal = "SIGKILL" | "SIGSEGV" | "SIGABRT" | "SIGBUS" | "SIGTERM" | "SIGSTOP";

/** What a sound worker suddenly does; see worker/lmx_worker. */
export type Habit = "garbage" | "endless-line" | "hold-gil" | "stall";

/** What is done to one model. */
export type ModelFault =
  | { readonly kind: "signal"; readonly signal: WorkerSignal }
  | { readonly kind: "habit"; readonly habit: Habit }
  /** Its weights on the disk, for one load: cut short, or all NaN so that the canary fails. */
  | { readonly kind: "damage"; readonly how: "truncated" | "nan" }
  | { readonly kind: "verb"; readonly verb: "unload" | "restart" | "quarantine" };

export interface ModelStep {
  readonly index: number;
  readonly fault: ModelFault;
  /** When: while it serves, or on its way there, at whatever phase it then is. */
  readonly moment: "serving" | "coming";
  /** How long after that moment. */
  readonly delayMs: number;
}

/** What is done to the whole service. */
export type ServiceFault =
  | { readonly kind: "pause"; readonly forMs: number }
  | { readonly kind: "kill-spare" }
  /** Its configuration is read again: changed, or with a mistake for which it must be refused whole. */
  | { readonly kind: "reload"; readonly how: "changed" | "refused" };

export interface ServiceStep {
  readonly index: number;
  readonly fault: ServiceFault;
  /** Since the step before. */
  readonly delayMs: number;
}

const signal = (name: WorkerSignal): ModelFault => ({ kind: "signal", signal: name });

/** Out of about a thousand. Deaths by heartbeat or for want of progress take seconds each, so there are few. */
const MODEL_FAULTS: readonly (readonly [number, ModelFault])[] = [
  [310, signal("SIGKILL")],
  [150, signal("SIGSEGV")],
  [120, signal("SIGABRT")],
  [80, signal("SIGBUS")],
  [150, signal("SIGTERM")],
  [20, signal("SIGSTOP")],
  [40, { kind: "habit", habit: "garbage" }],
  [15, { kind: "habit", habit: "endless-line" }],
  [10, { kind: "habit", habit: "hold-gil" }],
  [8, { kind: "habit", habit: "stall" }],
  [15, { kind: "damage", how: "truncated" }],
  [15, { kind: "damage", how: "nan" }],
  [30, { kind: "verb", verb: "unload" }],
  [30, { kind: "verb", verb: "restart" }],
  [15, { kind: "verb", verb: "quarantine" }],
];
const SHARE_COMING = 0.2;

/** Every fault of one model, in order: a pure function of the seed and the model's number. */
export function* modelSchedule(seed: number, lane: number): Generator<ModelStep, never> {
  for (let index = 0; ; index++) {
    const random = new Random(seed, "model", lane, index);
    const fault = random.weighted(MODEL_FAULTS);
    const mayCome = fault.kind === "signal" && fault.signal !== "SIGSTOP";
    const moment = mayCome && random.next() < SHARE_COMING ? "coming" : "serving";
    yield { index, fault, moment, delayMs: moment === "coming" ? random.between(0, 800) : pause(random) };
  }
}

/** Every fault of the service as a whole. */
export function* serviceSchedule(seed: number): Generator<ServiceStep, never> {
  for (let index = 0; ; index++) {
    const random = new Random(seed, "service", index);
    const fault = random.weighted<ServiceFault>([
      [6, { kind: "pause", forMs: random.between(50, 1_500) }],
      // Longer than a heartbeat with all its misses: nobody may be judged by it.
      [1, { kind: "pause", forMs: random.between(8_000, 10_000) }],
      [3, { kind: "kill-spare" }],
      [3, { kind: "reload", how: "changed" }],
      [1, { kind: "reload", how: "refused" }],
    ]);
    yield { index, fault, delayMs: random.between(5_000, 20_000) };
  }
}

/** Half of the faults come at once, so that some models fail often enough in a row to be quarantined. */
function pause(random: Random): number {
  const longest = random.weighted([
    [50, 300],
    [40, 1_500],
    [10, 4_000],
  ]);
  return random.between(0, longest);
}

/** One word for tables. */
export function faultName(fault: ModelFault | ServiceFault): string {
  switch (fault.kind) {
    case "signal":
      return fault.signal;
    case "habit":
      return fault.habit;
    case "damage":
      return `weights ${fault.how}`;
    case "verb":
      return fault.verb;
    case "pause":
      return `supervisor paused`;
    case "kill-spare":
      return "SIGKILL of the spare";
    case "reload":
      return `configuration ${fault.how}`;
    default:
      return fault satisfies never;
  }
}

/** A line per step, as `--schedule` prints it. */
export function describeStep(
  lane: string,
  { index, fault, delayMs, ...rest }: ModelStep | ServiceStep,
): string {
  const moment = "moment" in rest ? `${rest.moment} + ` : "+ ";
  const length = fault.kind === "pause" ? ` for ${fault.forMs} ms` : "";
  return `${lane} ${index}: ${moment}${delayMs} ms: ${faultName(fault)}${length}`;
}
