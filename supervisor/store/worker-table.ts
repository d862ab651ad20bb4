import { z } from "zod";
import { openRows, type RowFormat, type StoreHealth, type StoreOptions } from "./row-store.ts";

/** What identifies a worker process after its supervisor is gone: all three must match before it is killed. */
export interface WorkerRow {
  readonly pid: number;
  /** Text of `processStartTime`: a pid is reused, a pid with its start time is not. */
  readonly startTime: string;
  /** Random text in the worker's command line. */
  readonly token: string;
}

const row: z.ZodType<WorkerRow> = z.object({ pid: z.number(), startTime: z.string(), token: z.string() });

const format: RowFormat<WorkerRow> = { row, mostRows: 500, maxBytes: 1024 * 1024 };

/** The worker processes that are alive, for the sweep at the next start. One per state directory. */
export interface WorkerTable extends StoreHealth {
  /** Oldest first; right after opening, those an earlier process left behind. */
  rows(): readonly WorkerRow[];
  add(worker: WorkerRow): Promise<void>;
  /** The worker with this token is gone. */
  remove(token: string): Promise<void>;
}

/** Opens `workers.json`. Never rejects. */
export async function openWorkerTable(options: StoreOptions): Promise<WorkerTable> {
  const store = await openRows(options, format);
  return {
    rows: store.rows,
    add: (worker) => store.change((rows) => [...rows.filter((one) => one.token !== worker.token), worker]),
    remove: (token) => store.change((rows) => rows.filter((one) => one.token !== token)),
    degraded: store.degraded,
    recovered: store.recovered,
    close: store.close,
  };
}
