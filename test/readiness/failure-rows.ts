import { LmxError } from "../../shared/errors.ts";
import { admissionError, loadFailure, startFailure } from "../../supervisor/cluster/model/load-errors.ts";
import { CRASH_CAUSES, type CrashCause } from "../../supervisor/policy/diagnosis/crash-causes.ts";
import { adviceFor } from "../../supervisor/policy/diagnosis/dossier-advice.ts";
import { classifyAnswer, classifyExit, classifyTimeout } from "../../supervisor/policy/diagnosis/failure.ts";
import { QUARANTINE_DEFAULTS } from "../../supervisor/policy/lifecycle/failure-record.ts";
import { type Failure, type Model, NEW_MODEL } from "../../supervisor/policy/lifecycle/model-state.ts";
import { transition } from "../../supervisor/policy/lifecycle/transition.ts";
import { type CanaryEvidence, judgeCanary } from "../../supervisor/policy/watch/canary.ts";
import { stateCell, told } from "./request-answers.ts";

const SEGV = { code: null, signal: "SIGSEGV", spawnError: null, fatal: null, stderrTail: "" };
const ENDED = { ...SEGV, signal: null, code: 1 };
const refusedNow = (code: "insufficient_memory" | "safe_mode"): Failure =>
  admissionError(new LmxError(code, ""));
const verdict = (code: string): Failure => classifyAnswer("loading", code, "");

interface Case {
  readonly when: string;
  readonly failure: Failure;
  readonly at: "checking" | "loading" | "canary" | "routable";
}

/** What can go wrong with a model; the code and the class are those of the code that judges it. */
const CASES: readonly Case[] = [
  { when: "files are missing or damaged", failure: verdict("model_incomplete"), at: "checking" },
  {
    when: "its architecture is unknown, or needs code of its own",
    failure: verdict("model_unsupported_arch"),
    at: "checking",
  },
  {
    when: "blocked on this runtime, or made for another backend",
    failure: verdict("model_unsupported_backend"),
    at: "checking",
  },
  { when: "it does not fit into what is left", failure: refusedNow("insufficient_memory"), at: "checking" },
  { when: "the service is in safe mode", failure: refusedNow("safe_mode"), at: "checking" },
  {
    when: "no worker could be started",
    failure: classifyExit({ ...ENDED, phase: "starting" }),
    at: "loading",
  },
  {
    when: "its worker died while it loaded",
    failure: classifyExit({ ...SEGV, phase: "loading" }),
    at: "loading",
  },
  { when: "its load stalled or took too long", failure: classifyTimeout("loading", ""), at: "loading" },
  { when: "its canary failed", failure: classifyTimeout("canary", ""), at: "canary" },
  {
    when: "its worker died while it served",
    failure: classifyExit({ ...SEGV, phase: "serving" }),
    at: "routable",
  },
];

/** What a failure leads to: the load's answer, the model's next state, and what a request that waited is told. */
export function failureRows(): string[][] {
  return CASES.map((one) => {
    const { when, failure, at } = one;
    const ofLoad = at !== "routable";
    return [
      `\`${failure.reason.code}\``,
      when,
      ofLoad ? told(loadFailure("m", failure), "admin") : "",
      ofLoad ? stateCell(afterwards(one, false)) : "",
      stateCell(afterwards(one, true)),
      ofLoad ? told(startFailure("m", failure.reason)) : "",
    ];
  });
}

/** @param wanted it had served, or is in `auto_load` */
function afterwards({ failure, at }: Case, wanted: boolean): Model {
  const moment = { now: 0, wallNow: 0, numbers: QUARANTINE_DEFAULTS, random: 0.5 };
  const checking = { kind: "checking", attempt: 1 } as const;
  const model: Model = {
    ...NEW_MODEL,
    wanted,
    state: at === "checking" ? checking : { kind: at, worker: 1 },
  };
  const event =
    at === "checking"
      ? ({ kind: "admission-refused", attempt: 1, failure } as const)
      : ({ kind: "exited", worker: 1, failure } as const);
  return transition(model, event, moment).model;
}

/** Every named cause of a worker's death, whether it counts against the model, and what helps. */
export function causeRows(): string[][] {
  return [...Map.groupBy(CRASH_CAUSES, ({ cause }) => cause)].map(([cause, rows]) => [
    `\`${cause}\``,
    [...new Set(rows.map(countsWhen))].join(", "),
    [...new Set(rows.map((row) => row.advice))].join("; or: "),
  ]);
}

function countsWhen({ class: its, blameless }: CrashCause): string {
  if (its === "deterministic") return "a verdict";
  if (its === "environment") return "once it was in memory";
  return blameless === true ? "no" : "yes";
}

/** Causes that the supervisor finds while the worker lives. */
const FOUND_ALIVE = [
  "hung",
  "footprint",
  "protocol_violation",
  "load_timeout",
  "load_error",
  "handshake_timeout",
  "canary_timeout",
  ...canaryCauses(),
];

/** What the supervisor finds while the worker lives, and what helps. */
export function foundAliveRows(): string[][] {
  return FOUND_ALIVE.map((cause) => [
    `\`${cause}\``,
    adviceFor(cause)?.advice ?? "Look at the answer with `lmx load` and `lmx dossiers show`",
  ]);
}

/** What a canary can fail of, one thing after the other. */
function canaryCauses(): string[] {
  const sound = {
    token_ids: [5, 6],
    text: "pong",
    decodes: true,
    finished: true,
    non_finite_steps: 0,
    constant_steps: 0,
  };
  const faults: readonly Partial<CanaryEvidence>[] = [
    { non_finite_steps: 1 },
    { constant_steps: 1 },
    { token_ids: [] },
    { token_ids: [0, 0] },
    { text: " " },
    { decodes: false },
    { text: "something else" },
  ];
  return faults.map((fault) => {
    const verdict = judgeCanary({ ...sound, ...fault }, { expect: "pong" });
    return verdict.kind === "fail" ? verdict.cause : "";
  });
}
