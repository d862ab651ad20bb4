import { withTimeout } from "../host/with-timeout.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import type { RootScan } from "./root-scan.ts";
import type { ScanLog } from "./scan-reporter.ts";

const LATE =
  "looking for models here takes long; until it ends its models are as they were last known, new ones not at all";

export interface ScanRoundsOptions {
  readonly patienceMs: number;
  readonly log: ScanLog | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** What the roots found is to be put together anew. */
  onFound(): void;
  /** The same, when nobody waits for it any more. */
  onLateFound(): void;
}

/** Scans all roots together, one round at a time. A root that takes too long is left to end by itself. */
export class ScanRounds {
  readonly #roots: readonly RootScan[];
  readonly #options: ScanRoundsOptions;
  /** Said of them already that they are slow. */
  readonly #slow = new Set<RootScan>();
  #endedAt = Number.NEGATIVE_INFINITY;
  readonly #rounds = new OneAtATime(() => this.#round());

  constructor(roots: readonly RootScan[], options: ScanRoundsOptions) {
    this.#roots = roots;
    this.#options = options;
  }

  refresh(): Promise<void> {
    return this.#rounds.ask();
  }

  async freshen(maxAgeMs: number): Promise<void> {
    if (this.#options.now() - this.#endedAt <= maxAgeMs) return;
    await (this.#rounds.running ?? this.refresh());
  }

  /** The scan of a root has ended. */
  rootEnded(): void {
    // A round that is under way makes it known together with the others: a model that was moved is in one of them.
    if (this.#rounds.running === null) this.#options.onLateFound();
  }

  async #round(): Promise<void> {
    // Of a late one another scan is asked for as well, so that what it missed is found, but not waited for.
    const asked = this.#roots.map((root) => ({ root, isDone: root.isLate, ended: root.refresh() }));
    const awaited = asked.filter(({ isDone }) => !isDone);
    const all = awaited.map(async (one) => {
      await one.ended;
      one.isDone = true;
    });
    await withTimeout(this.#options.patienceMs, Promise.all(all));
    for (const { root, isDone } of awaited) this.#note(root, !isDone);
    this.#endedAt = this.#options.now();
    this.#options.onFound();
  }

  #note(root: RootScan, isLate: boolean): void {
    root.isLate = isLate;
    if (isLate && !this.#slow.has(root)) this.#options.log?.warn({ path: root.path }, LATE);
    if (isLate) this.#slow.add(root);
    else this.#slow.delete(root);
  }
}
