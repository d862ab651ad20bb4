import { type BackendVersions, failureKeyOf } from "../../backends/model-key.ts";
import { DISK_PATIENCE_MS, withTimeout } from "../../host/with-timeout.ts";
import type { CatalogueEntry } from "../../models/catalogue-entry.ts";
import {
  type FailureRecord,
  NO_FAILURES,
  type QuarantineNumbers,
} from "../../policy/lifecycle/failure-record.ts";
import { isOperatorsWord, quarantineByOperator, readAgain } from "../../policy/lifecycle/quarantine.ts";
import type { QuarantineStore } from "../../store/quarantine-store.ts";

export interface FailureHistoryOptions {
  readonly store: QuarantineStore;
  readonly numbers: QuarantineNumbers;
  /** Of the runtime that would load a model now; null: not known yet. */
  versions(): BackendVersions | null;
}

/** What is remembered of models' failures, by key: the same files on the same runtime. */
export class FailureHistory {
  readonly #options: FailureHistoryOptions;

  constructor(options: FailureHistoryOptions) {
    this.#options = options;
  }

  get numbers(): QuarantineNumbers {
    return this.#options.numbers;
  }

  /** Text of the model's key; null while the runtime is not known. A new digest or runtime has no history. */
  keyOf(entry: CatalogueEntry): string | null {
    const versions = this.#options.versions();
    return versions === null ? null : failureKeyOf(entry, versions);
  }

  /**
   * As it is after a start of the service: a try that was open then has failed. An operator's quarantine is about the
   * model, whatever its files and its runtime: it moves to the key the model has now.
   */
  read(key: string, model: string): FailureRecord {
    const stored = this.#options.store.get(key);
    const record =
      stored === NO_FAILURES ? stored : readAgain(stored, Date.now(), this.#options.numbers).record;
    const rows = this.#options.store.rows().filter((row) => row.model === model);
    const newest = rows.toSorted((a, b) => b.changedAt - a.changedAt)[0];
    if (newest === undefined || newest.key === key || !isOperatorsWord(newest.record.standing)) return record;
    const { cause } = newest.record.standing;
    const moved = quarantineByOperator(record, cause, Date.now(), this.#options.numbers).record;
    void this.save(key, model, moved);
    return moved;
  }

  /** The model has another key now, or was released: an operator's word under an older one is over. */
  #freeOthers(key: string, model: string): void {
    const others = this.#options.store.rows().filter((row) => row.model === model && row.key !== key);
    for (const row of others.filter(({ record }) => isOperatorsWord(record.standing)))
      void this.#options.store.put({ ...row, record: { ...row.record, standing: { kind: "free" } } });
  }

  /** Resolves when it is on the disk, cannot be, or the disk has stalled. Never rejects. */
  async save(key: string, model: string, record: FailureRecord): Promise<void> {
    const saved = this.#options.store.put({ key, model, changedAt: Date.now(), record });
    this.#freeOthers(key, model);
    await withTimeout(DISK_PATIENCE_MS, saved);
  }
}
