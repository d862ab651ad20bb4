import { Histogram } from "./histogram.ts";
import type { Lateness } from "./lateness.ts";
import type { Ended, SoakRequest } from "./request.ts";

const MOST_PROBLEMS = 50;

interface KindTotals {
  readonly outcomes: Map<string, number>;
  readonly times: Histogram;
}

/** Everything that is counted in a run. */
export class Ledger {
  readonly kinds = new Map<string, KindTotals>();
  /** Workers that failed, by what was done to them. */
  readonly deaths = new Map<string, number>();
  /** Workers that operators ended. */
  readonly orderly = new Map<string, number>();
  readonly faults = new Map<string, number>();
  readonly lateness = new Histogram();
  /** Sentences about what must not happen, the first of each run; counts say how many there were. */
  readonly problems: string[] = [];
  requests = 0;
  deathCount = 0;
  malformed = 0;
  wrong = 0;
  internalErrors = 0;
  bystanderRequests = 0;
  bystanderErrors = 0;
  late = 0;
  continued = 0;

  ended(request: SoakRequest, ended: Ended): void {
    this.requests += 1;
    const totals = this.#totals(request.kind);
    count(totals.outcomes, ended.outcome);
    totals.times.add(ended.endedAt - ended.openedAt);
    if (ended.malformed !== null) {
      this.malformed += 1;
      this.problem(`${request.kind} did not end once: ${ended.malformed}`);
    }
    if (ended.outcome === "internal_error") {
      this.internalErrors += 1;
      this.problem(`${request.kind} was answered with internal_error`);
    }
    if (ended.outcome === "aborted" || ended.outcome === "lost") return;
    const wrong = request.check(ended.answer);
    if (wrong === null) return;
    this.wrong += 1;
    this.problem(`${request.kind}: ${wrong}`);
  }

  bystander(request: SoakRequest, ended: Ended, text: string): void {
    this.bystanderRequests += 1;
    if (ended.outcome === "ok" && ended.answer.text === text) return;
    this.bystanderErrors += 1;
    this.problem(
      `${request.kind} ended ${ended.outcome} with ${JSON.stringify(ended.answer.text)} instead of ${JSON.stringify(text)}`,
    );
  }

  died(cause: string, isOrderly: boolean): void {
    count(isOrderly ? this.orderly : this.deaths, cause);
    if (!isOrderly) this.deathCount += 1;
  }

  /** @param limitMs later than this is late */
  judged(lateness: Lateness, limitMs: number, what: string): void {
    if (lateness === null) return;
    if (lateness.kind === "continued") {
      this.continued += 1;
      return;
    }
    this.lateness.add(lateness.ms);
    if (lateness.ms <= limitMs) return;
    this.late += 1;
    this.problem(`${what} ended ${Math.round(lateness.ms)} ms after its worker`);
  }

  problem(sentence: string): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push(`${new Date().toISOString()} ${sentence}`);
  }

  #totals(kind: string): KindTotals {
    const known = this.kinds.get(kind);
    if (known !== undefined) return known;
    const fresh = { outcomes: new Map<string, number>(), times: new Histogram() };
    this.kinds.set(kind, fresh);
    return fresh;
  }
}

export function count(map: Map<string, number>, name: string): void {
  map.set(name, (map.get(name) ?? 0) + 1);
}
