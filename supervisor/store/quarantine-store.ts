import { z } from "zod";
import { type EpochMs, type FailureRecord, NO_FAILURES } from "../policy/lifecycle/failure-record.ts";
import { openRows, type RowFormat, type StoreHealth, type StoreOptions } from "./row-store.ts";

/** Model keys that are remembered. */
const MOST_KEYS = 2_000;
/** Characters kept of a cause or an operator's reason. */
const LONGEST_CAUSE = 500;

const cause = z.string();
const rule = z.enum(["threshold", "slow-flap", "probation", "probe-failed", "operator"]);
const standing = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("free") }),
  z.object({ kind: z.literal("quarantined"), until: z.number().nullable(), rule, cause }),
  z.object({ kind: z.literal("half-open"), leaseUntil: z.number(), rule, cause }),
  z.object({ kind: z.literal("probation"), since: z.number().nullable(), finished: z.number() }),
]);
const record: z.ZodType<FailureRecord> = z.object({
  failures: z.number(),
  recent: z.array(z.number()),
  level: z.number(),
  cleanSince: z.number().nullable(),
  failedProbes: z.number(),
  standing,
});
const row = z.object({ key: z.string(), model: z.string(), changedAt: z.number(), record });

/** What is remembered of one model key. */
export interface QuarantineRow {
  /** Text of the whole key: model, digest, backend and versions. */
  readonly key: string;
  /** The model the key belongs to, for people. */
  readonly model: string;
  readonly changedAt: EpochMs;
  readonly record: FailureRecord;
}

const format: RowFormat<QuarantineRow> = {
  row,
  mostRows: MOST_KEYS,
  // A model that is kept out must not come back because others failed.
  expendable: (one) => one.record.standing.kind === "free",
  maxBytes: 16 * 1024 * 1024,
};

/** Failure records by model key. One per state directory. */
export interface QuarantineStore extends StoreHealth {
  /** The record as it was put; after a start, pass it through `readAgain`. `NO_FAILURES` for an unknown key. */
  get(key: string): FailureRecord;
  /** Oldest change first. */
  rows(): readonly QuarantineRow[];
  /** Resolves when the record is on the device, or `degraded()` says why not: only then announce a quarantine. Never rejects. */
  put(entry: QuarantineRow): Promise<void>;
  /** Forgets a key. */
  remove(key: string): Promise<void>;
}

/** Opens `quarantine.json`. Never rejects. */
export async function openQuarantineStore(options: StoreOptions): Promise<QuarantineStore> {
  const store = await openRows(options, format);
  const without = (key: string) => (rows: readonly QuarantineRow[]) => rows.filter((one) => one.key !== key);
  return {
    get: (key) => store.rows().find((one) => one.key === key)?.record ?? NO_FAILURES,
    rows: store.rows,
    put: (entry) => {
      const others = without(entry.key);
      if (isBlank(entry.record)) return store.change(others);
      return store.change((rows) => [...others(rows), { ...entry, record: withShortCause(entry.record) }]);
    },
    remove: (key) => store.change(without(key)),
    degraded: store.degraded,
    recovered: store.recovered,
    close: store.close,
  };
}

/** A record that says no more than none would. */
function isBlank({ failures, recent, level, failedProbes, standing }: FailureRecord): boolean {
  return failures + recent.length + level + failedProbes === 0 && standing.kind === "free";
}

function withShortCause(long: FailureRecord): FailureRecord {
  const { standing } = long;
  if (!("cause" in standing)) return long;
  return { ...long, standing: { ...standing, cause: standing.cause.slice(0, LONGEST_CAUSE) } };
}
