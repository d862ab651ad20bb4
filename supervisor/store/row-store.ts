import { Low } from "lowdb";
import { z } from "zod";
import type { Recovery } from "./document-recovery.ts";
import { DurableFile, type Schedule, type StoreLog } from "./durable-file.ts";
import type { Files } from "./files.ts";
import { rowList } from "./row-list.ts";

/** A bounded list of rows of one kind in a file of its own: `{"schema": n, "rows": […]}`. */
export interface RowStore<Row> extends StoreHealth {
  /** Oldest first; a new array with every change. */
  rows(): readonly Row[];
  /** Replaces the rows at once; resolves when they are on the device, or `degraded()` says why not. Never rejects. */
  change(edit: (rows: readonly Row[]) => readonly Row[]): Promise<void>;
}

/** What every store tells about its file. */
export interface StoreHealth {
  /** Why rows live in memory only; null while the disk has them. */
  degraded(): string | null;
  /** Set when this start could not read the file itself; after `empty` nothing should be loaded unasked. */
  readonly recovered: Recovery | null;
  /** Waits until every change is written, or cannot be. */
  close(): Promise<void>;
}

export interface StoreOptions {
  /** The file in the state directory. */
  readonly path: string;
  /** Milliseconds since the epoch; names a broken file that is set aside. */
  readonly now: () => number;
  readonly log: StoreLog;
  readonly files?: Files;
  readonly schedule?: Schedule;
}

/** What the rows of a store look like and how many there may be. */
export interface RowFormat<Row> {
  readonly row: z.ZodType<Row>;
  /** Version of the file today, 1 unless given. */
  readonly version?: number;
  /** Version n of the whole file to version n + 1. */
  readonly migrations?: Readonly<Record<number, (older: unknown) => unknown>>;
  readonly mostRows: number;
  /** Rows that go before older ones when there are too many; default: the oldest goes first. */
  readonly expendable?: (row: Row) => boolean;
  /** A larger file is not read at all. */
  readonly maxBytes: number;
}

interface RowFile<Row> {
  schema: number;
  rows: Row[];
}

/** Opens the file. Never rejects: one that cannot be read is reported by `recovered` and `degraded()`. */
export async function openRows<Row>(
  options: StoreOptions,
  rowFormat: RowFormat<Row>,
): Promise<RowStore<Row>> {
  const { row, version = 1, migrations = {}, maxBytes } = rowFormat;
  const schema: z.ZodType<RowFile<Row>> = z.object({ schema: z.literal(version), rows: rowList(row) });
  const format = { version, schema, migrations, maxBytes };
  const file = new DurableFile<RowFile<Row>>({ ...options, format });
  const database = new Low<RowFile<Row>>(file, { schema: version, rows: [] });
  await database.read();

  return {
    rows: () => database.data.rows,
    change: (edit) => {
      database.data = { schema: version, rows: bounded(edit(database.data.rows), rowFormat) };
      return database.write();
    },
    degraded: () => file.degraded(),
    recovered: file.recovered,
    close: () => file.close(),
  };
}

function bounded<Row>(rows: readonly Row[], { mostRows, expendable = () => true }: RowFormat<Row>): Row[] {
  let surplus = rows.length - mostRows;
  if (surplus <= 0) return [...rows];
  const kept = rows.filter((row) => {
    if (surplus === 0 || !expendable(row)) return true;
    surplus -= 1;
    return false;
  });
  return kept.slice(surplus);
}
