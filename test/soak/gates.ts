import type { Drift } from "./vitals.ts";

const SHARE_IN_TIME = 0.999;
const FLAT = 0.05;
/** A worker more or less has three pipes; connections come and go. */
const FILES_SLACK = 12;

/** The figures a run is judged by; null: not measured, and then not judged. */
export interface Evidence {
  readonly apiExits: number;
  readonly bystanderRequests: number;
  readonly bystanderErrors: number;
  readonly malformed: number;
  readonly wrong: number;
  readonly internalErrors: number;
  readonly judged: number;
  readonly late: number;
  readonly stillInFlight: number | null;
  readonly orphans: number | null;
  readonly unparsable: number | null;
  readonly unnoticed: number | null;
  readonly errorsLogged: number | null;
  readonly stuck: number;
  readonly openFiles: Drift | null;
  /** What a collection leaves. */
  readonly heldBytes: Drift | null;
  /** In the last tenth of the run. */
  readonly residentBytes: number | null;
  readonly deaths: number;
  readonly requests: number;
}

export interface Limits {
  readonly endedWithinMs: number;
  readonly heldSlackBytes: number;
  readonly residentLimitBytes: number;
  readonly deaths: number | null;
  readonly requests: number | null;
}

export interface Gate {
  readonly name: string;
  readonly figure: string;
  /** Null: there is nothing to judge by. */
  readonly holds: boolean | null;
}

/** What must hold after a run. */
export function judgeRun(found: Evidence, limits: Limits): Gate[] {
  return [
    none("exits of the API", found.apiExits),
    {
      name: "the bystander's answers are those of an undisturbed run",
      figure: `${found.bystanderErrors} of ${found.bystanderRequests} are not`,
      holds: found.bystanderRequests === 0 ? null : found.bystanderErrors === 0,
    },
    none("requests that did not end exactly once", found.malformed),
    none("answers that are not what was asked for", found.wrong),
    none("answers with internal_error", found.internalErrors),
    inTime(found, limits),
    none("requests the service still counts at the end", found.stillInFlight),
    none("models that did not come back", found.stuck),
    none("worker deaths the service did not notice", found.unnoticed),
    none("errors in the service's log", found.errorsLogged),
    none("orphans", found.orphans),
    none("unparsable files", found.unparsable),
    flat("open files", found.openFiles, FILES_SLACK, (files) => String(files)),
    flat("memory held after a collection", found.heldBytes, limits.heldSlackBytes, megabytes),
    withTimeout("resident memory at the end", found.residentBytes, limits.residentLimitBytes),
    ...reached("worker deaths", found.deaths, limits.deaths),
    ...reached("requests", found.requests, limits.requests),
  ];
}

function none(name: string, count: number | null): Gate {
  return {
    name: `no ${name}`,
    figure: count === null ? "not measured" : String(count),
    holds: count === null ? null : count === 0,
  };
}

function inTime({ judged, late }: Evidence, { endedWithinMs }: Limits): Gate {
  const share = judged === 0 ? null : (judged - late) / judged;
  return {
    name: `${SHARE_IN_TIME * 100} % of a dead worker's requests end within ${endedWithinMs} ms`,
    figure: share === null ? "no death met a request" : `${(share * 100).toFixed(3)} % of ${judged}`,
    holds: share === null ? null : share >= SHARE_IN_TIME,
  };
}

/** No more at the end of the run than at its beginning, but for 5 % or a slack. */
function flat(name: string, drift: Drift | null, slack: number, show: (value: number) => string): Gate {
  const allowed = `5 % or ${show(slack)}, whichever is more`;
  if (drift === null) return { name: `${name} flat within ${allowed}`, figure: "not measured", holds: null };
  const { first, last } = drift;
  return {
    name: `${name} flat within ${allowed}`,
    figure: `${show(first)} at first, ${show(last)} at last`,
    holds: last - first <= Math.max(first * FLAT, slack),
  };
}

function withTimeout(name: string, bytes: number | null, limitBytes: number): Gate {
  return {
    name: `${name} at most ${megabytes(limitBytes)}`,
    figure: bytes === null ? "not measured" : megabytes(bytes),
    holds: bytes === null ? null : bytes <= limitBytes,
  };
}

function reached(name: string, got: number, wanted: number | null): Gate[] {
  return wanted === null ? [] : [{ name: `${wanted} ${name}`, figure: String(got), holds: got >= wanted }];
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}
