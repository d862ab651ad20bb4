import { z } from "zod";
import type { EpochMs } from "../policy/lifecycle/failure-record.ts";
import type { ServiceStart } from "../policy/service/service-start.ts";
import { openRows, type RowFormat, type StoreHealth, type StoreOptions } from "./row-store.ts";

const row: z.ZodType<ServiceStart> = z.object({
  startedAt: z.number(),
  bootId: z.string().nullable(),
  pid: z.number(),
  mode: z.enum(["normal", "safe-mode"]),
  steadyAt: z.number().nullable(),
  leftSafeModeAt: z.number().nullable(),
  stoppedAt: z.number().nullable(),
});

const format: RowFormat<ServiceStart> = { row, mostRows: 50, maxBytes: 1024 * 1024 };

/** The starts of the supervisor and how they ended. One per state directory. */
export interface StartJournal extends StoreHealth {
  /** Oldest first; this start is the last one after `begin`. */
  starts(): readonly ServiceStart[];
  /** Writes this start down. Resolves when it is on the device: before that, a crash is not remembered. Never rejects. */
  begin(start: Pick<ServiceStart, "startedAt" | "bootId" | "pid" | "mode">): Promise<void>;
  /** It has been up ten minutes. */
  markSteady(at: EpochMs): Promise<void>;
  markLeftSafeMode(at: EpochMs): Promise<void>;
  /** The clean mark: the last thing an orderly stop does. */
  markStopped(at: EpochMs): Promise<void>;
}

/** Opens `starts.json`. Never rejects. */
export async function openStartJournal(options: StoreOptions): Promise<StartJournal> {
  const store = await openRows(options, format);
  let begun = false;

  const mark = (changes: Partial<ServiceStart>): Promise<void> =>
    store.change((rows) => {
      const current = rows.at(-1);
      // The row before ours belongs to another process.
      return begun && current !== undefined ? [...rows.slice(0, -1), { ...current, ...changes }] : rows;
    });

  return {
    starts: store.rows,
    begin: (start) => {
      begun = true;
      const fresh = { ...start, steadyAt: null, leftSafeModeAt: null, stoppedAt: null };
      return store.change((rows) => [...rows, fresh]);
    },
    markSteady: (at) => mark({ steadyAt: at }),
    markLeftSafeMode: (at) => mark({ leftSafeModeAt: at }),
    markStopped: (at) => mark({ stoppedAt: at }),
    degraded: store.degraded,
    recovered: store.recovered,
    close: store.close,
  };
}
