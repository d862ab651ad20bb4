import type { z } from "zod";
import type { auditRowSchema, ModelDetail } from "../../shared/admin.ts";
import type { DossierSummary } from "../../shared/dossier.ts";

export type AuditRow = z.infer<typeof auditRowSchema>;

/** Where a model can be, as far as an operator cares. */
export type Standing =
  /** Served, or on its way to it. */
  | "up"
  /** The same, as the one try after a quarantine. */
  | "trying"
  | "unloaded"
  /** A released try that was taken back: whoever asks next has it. */
  | "due"
  /** Its failures keep it out for a while. */
  | "barred"
  /** An operator keeps it out. */
  | "out";

/** What each verb makes of each standing. `trying` may have become `up` meanwhile, unseen. */
const VERBS: Readonly<Record<string, Readonly<Record<Standing, readonly Standing[]>>>> = {
  load: {
    up: ["up"],
    trying: ["trying"],
    unloaded: ["up"],
    due: ["trying"],
    barred: ["barred"],
    out: ["out"],
  },
  unload: {
    up: ["unloaded"],
    trying: ["due", "unloaded"],
    unloaded: ["unloaded"],
    due: ["due"],
    barred: ["barred"],
    out: ["out"],
  },
  restart: {
    up: ["up"],
    trying: ["trying"],
    unloaded: ["up"],
    due: ["trying"],
    barred: ["barred"],
    out: ["out"],
  },
  release: {
    up: ["up"],
    trying: ["trying"],
    unloaded: ["unloaded"],
    due: ["trying"],
    barred: ["trying"],
    out: ["trying"],
  },
  quarantine: {
    up: ["out"],
    trying: ["out"],
    unloaded: ["out"],
    due: ["out"],
    barred: ["out"],
    out: ["out"],
  },
};

/** A row is written before its word takes effect, and the disk takes its time. Milliseconds. */
const ROW_AHEAD_MS = 1_000;

/** What may have happened so far: where the model was, and how many of the deaths came before. */
interface Branch {
  readonly standing: Standing;
  readonly deaths: number;
}

/**
 * Every standing that the rows and the deaths, both oldest first, can have led to: one, but where a death came so close
 * to a word that the rows alone cannot say which was first.
 *
 * @param from where the model was before the first of them
 */
export function explain(
  from: Standing,
  rows: readonly AuditRow[],
  deaths: readonly Pick<DossierSummary, "at" | "next">[],
): Set<Standing> {
  const diedBefore = (moment: number) => deaths.filter(({ at }) => Date.parse(at) < moment).length;
  let branches: Branch[] = [{ standing: from, deaths: 0 }];
  for (const { ts, action } of rows) {
    const written = Date.parse(ts);
    const fewest = diedBefore(written);
    const most = diedBefore(written + ROW_AHEAD_MS);
    const told = branches.flatMap((branch) => {
      const counts = Array.from({ length: most + 1 }, (_, count) => count);
      return counts
        .filter((count) => count >= Math.max(fewest, branch.deaths))
        .flatMap((count) => afterDeaths(branch, count, deaths));
    });
    branches = distinct(told.flatMap((branch) => afterVerb(branch, action)));
  }
  const ends = branches.flatMap((branch) => afterDeaths(branch, deaths.length, deaths));
  return new Set(ends.flatMap(({ standing }) => askedFor(standing)));
}

function afterVerb({ standing, deaths }: Branch, verb: string): Branch[] {
  const effects = VERBS[verb];
  // A reload moves no model.
  if (effects === undefined) return [{ standing, deaths }];
  return askedFor(standing)
    .flatMap((one) => effects[one])
    .map((one) => ({ standing: one, deaths }));
}

/** A request may have had the try that was due. */
function askedFor(standing: Standing): Standing[] {
  return standing === "due" ? ["due", "trying"] : [standing];
}

/** The same, once so many have died. */
function afterDeaths(
  branch: Branch,
  count: number,
  deaths: readonly Pick<DossierSummary, "next">[],
): Branch[] {
  const standings = deaths
    .slice(branch.deaths, count)
    .reduce<Standing[]>(
      (before, { next }) => before.flatMap((standing) => afterDeath(standing, next)),
      [branch.standing],
    );
  return distinct(standings.map((standing) => ({ standing, deaths: Math.max(branch.deaths, count) })));
}

function afterDeath(standing: Standing, next: DossierSummary["next"]): Standing[] {
  switch (next.action) {
    case "restarted":
      return [standing];
    case "quarantined":
      return next.until === null ? [standing] : ["barred"];
    // It was on its way out, and a restart may have been what sent it.
    case "unloaded":
      return [standing, "unloaded"];
    default:
      return next satisfies never;
  }
}

function distinct(branches: readonly Branch[]): Branch[] {
  const known = new Map(branches.map((branch) => [`${branch.standing} ${branch.deaths}`, branch]));
  return [...known.values()];
}

/** Where a model is that has come to rest; null: it has not. */
export function standingOf({ readiness }: ModelDetail, now: number): Standing | null {
  const { state, detail, quarantine } = readiness;
  if (state === "unloaded") return "unloaded";
  if (state === "routable") return detail === "draining" ? null : "up";
  if (state !== "quarantined") return null;
  const until = quarantine?.until ?? null;
  if (until === null) return "out";
  return Date.parse(until) > now ? "barred" : "due";
}

/** Is this where the rows say it is? A try that passed is one that serves. */
export function isExplained(found: Standing, explained: ReadonlySet<Standing>): boolean {
  return explained.has(found) || (found === "up" && explained.has("trying"));
}
