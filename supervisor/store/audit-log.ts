import { z } from "zod";
import { openRows, type RowFormat, type StoreHealth, type StoreOptions } from "./row-store.ts";

/** Rows that are kept. */
const MOST_ROWS = 2_000;
/** Characters kept of a name, an address or an action. */
const LONGEST_NAME = 512;
/** Characters kept of a reason. */
const LONGEST_REASON = 1_000;
/** Bytes of JSON the details of a row may take; larger ones are left out. */
const MOST_DETAIL_BYTES = 2 * 1024;

const auditRowSchema = z.object({
  ts: z.iso.datetime(),
  action: z.string(),
  model: z.string().nullable(),
  actor: z.object({ key: z.string().nullable(), address: z.string().nullable(), via: z.string() }),
  reason: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});

/** Who did what to the service. */
export interface AuditRow {
  /** ISO 8601. */
  readonly ts: string;
  /** `load`, `unload`, `release`, `quarantine`, … */
  readonly action: string;
  readonly model: string | null;
  readonly actor: {
    /** Short hash of the API key, never the key. */
    readonly key: string | null;
    readonly address: string | null;
    /** `http`, `cli`, `config`, … */
    readonly via: string;
  };
  /** What the operator gave as reason. */
  readonly reason: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditQuery {
  readonly action?: string;
  readonly model?: string;
  /** Short hash of the API key. */
  readonly key?: string;
  /** Rows of this time and later, ISO 8601. */
  readonly since?: string;
  /** At most so many, 100 unless given. */
  readonly limit?: number;
}

const format: RowFormat<AuditRow> = { row: auditRowSchema, mostRows: MOST_ROWS, maxBytes: 32 * 1024 * 1024 };

/** What operators did. Rows are only added; the oldest go when there are too many. One per state directory. */
export interface AuditLog extends StoreHealth {
  /** Resolves when the row is on the device, or `degraded()` says why not. Never rejects. */
  append(row: AuditRow): Promise<void>;
  /** Matching rows, newest first. */
  query(query?: AuditQuery): AuditRow[];
}

/** Opens `audit.json`. Never rejects. */
export async function openAuditLog(options: StoreOptions): Promise<AuditLog> {
  const store = await openRows(options, format);
  return {
    append: (row) => store.change((rows) => [...rows, boundedRow(row)]),
    query: ({ limit = 100, ...query } = {}) =>
      store
        .rows()
        .filter((row) => matches(row, query))
        .toReversed()
        .slice(0, limit),
    degraded: store.degraded,
    recovered: store.recovered,
    close: store.close,
  };
}

function matches(row: AuditRow, { action, model, key, since }: Omit<AuditQuery, "limit">): boolean {
  return (
    (action === undefined || row.action === action) &&
    (model === undefined || row.model === model) &&
    (key === undefined || row.actor.key === key) &&
    (since === undefined || Date.parse(row.ts) >= Date.parse(since))
  );
}

function boundedRow({ ts, action, model, actor, reason, details }: AuditRow): AuditRow {
  const name = (text: string | null): string | null => text?.slice(0, LONGEST_NAME) ?? null;
  return {
    ts,
    action: action.slice(0, LONGEST_NAME),
    model: name(model),
    actor: { key: name(actor.key), address: name(actor.address), via: actor.via.slice(0, LONGEST_NAME) },
    reason: reason?.slice(0, LONGEST_REASON) ?? null,
    details: boundedDetails(details),
  };
}

/** As they will be read back: what JSON cannot hold must not stop every later write. */
function boundedDetails(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    const text = JSON.stringify(details);
    if (Buffer.byteLength(text) <= MOST_DETAIL_BYTES) return JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A cycle or a big integer: said below.
  }
  return { truncated: true };
}
