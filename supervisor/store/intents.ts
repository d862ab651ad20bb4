import { z } from "zod";
import type { LoadIntent } from "../policy/service/open-intents.ts";
import { openRows, type RowFormat, type StoreHealth, type StoreOptions } from "./row-store.ts";

const row: z.ZodType<LoadIntent> = z.object({
  key: z.string(),
  pid: z.number(),
  bootId: z.string().nullable(),
  at: z.number(),
});

const format: RowFormat<LoadIntent> = { row, mostRows: 500, maxBytes: 1024 * 1024 };

/** Loads that were begun and have not ended well yet, written ahead of them. One per state directory. */
export interface Intents extends StoreHealth {
  /** Oldest first; right after opening, those an earlier process left open. */
  open(): readonly LoadIntent[];
  /** Resolves when the intent is on the device, or `degraded()` says why not: send `load` then. Never rejects. */
  begin(intent: LoadIntent): Promise<void>;
  /** A clean end, or the first ten routable minutes. */
  end(intent: Pick<LoadIntent, "key" | "pid">): Promise<void>;
  /** Forgets what earlier processes left open, once it has been judged. */
  endAllOf(intents: readonly LoadIntent[]): Promise<void>;
}

/** Opens `intents.json`. Never rejects. */
export async function openIntents(options: StoreOptions): Promise<Intents> {
  const store = await openRows(options, format);
  const isSame = (one: Pick<LoadIntent, "key" | "pid">) => (other: LoadIntent) =>
    one.key === other.key && one.pid === other.pid;
  return {
    open: store.rows,
    begin: (intent) => store.change((rows) => [...rows.filter((one) => !isSame(intent)(one)), intent]),
    end: (intent) => store.change((rows) => rows.filter((one) => !isSame(intent)(one))),
    endAllOf: (intents) => store.change((rows) => rows.filter((one) => !intents.some(isSame(one)))),
    degraded: store.degraded,
    recovered: store.recovered,
    close: store.close,
  };
}
