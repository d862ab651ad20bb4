import { Low } from "lowdb";
import { REGISTRY_SCHEMA, type RegistryEntry, type RegistryFile } from "../../shared/registry.ts";
import { BoundedRows } from "./bounded-rows.ts";
import type { Recovery } from "./document-recovery.ts";
import { DurableFile, type Schedule, type StoreLog } from "./durable-file.ts";
import type { Files } from "./files.ts";
import { boundedEntry, type RegistryKey, registryFormat } from "./registry-rows.ts";

/** Only rows whose fields equal the ones given. */
type RegistryFilter = Partial<Pick<RegistryEntry, "model" | "backend" | "backend_version" | "outcome">>;

/** What was tried on which runtime, and how it went. One per state directory. */
export interface CompatibilityRegistry {
  /** Adds a row; it reaches the disk soon, together with others. */
  record(entry: RegistryEntry): void;
  /** Adds a row; resolves when it is on the device, or `degraded()` says why it is not. Never rejects. */
  recordDurably(entry: RegistryEntry): Promise<void>;
  /** Matching rows, oldest first. */
  entries(filter?: RegistryFilter): RegistryEntry[];
  /** What was tried with exactly this model on exactly this runtime, oldest first. */
  ofKey(key: RegistryKey): readonly RegistryEntry[];
  /** Has exactly this model passed on exactly this runtime? */
  hasPass(key: RegistryKey): boolean;
  /** Why rows live in memory only; null while the disk has them. */
  degraded(): string | null;
  /** Set when this start could not read the file itself; after `empty` nothing should be loaded unasked. */
  readonly recovered: Recovery | null;
  /** Waits until everything recorded is written, or cannot be. */
  close(): Promise<void>;
}

export interface RegistryOptions {
  /** `compatibility-registry.json` in the state directory. */
  readonly path: string;
  /** Milliseconds since the epoch; names a broken file that is set aside. */
  readonly now: () => number;
  readonly log: StoreLog;
  readonly files?: Files;
  readonly schedule?: Schedule;
}

/** Opens the registry. Never rejects: a file that cannot be read is reported by `recovered` and `degraded()`. */
export async function openRegistry(options: RegistryOptions): Promise<CompatibilityRegistry> {
  const file = new DurableFile<RegistryFile>({ ...options, format: registryFormat });
  const database = new Low<RegistryFile>(file, { schema: REGISTRY_SCHEMA, entries: [] });
  await database.read();
  const rows = new BoundedRows(database.data.entries);

  const recordDurably = (entry: RegistryEntry): Promise<void> => {
    rows.add(boundedEntry(entry));
    database.data = { schema: REGISTRY_SCHEMA, entries: rows.all() };
    return database.write();
  };

  return {
    record: (entry) => void recordDurably(entry),
    recordDurably,
    entries: (filter = {}) => rows.all().filter((row) => matches(row, filter)),
    ofKey: (key) => rows.ofKey(key),
    hasPass: (key) => rows.hasPass(key),
    degraded: () => file.degraded(),
    recovered: file.recovered,
    close: () => file.close(),
  };
}

function matches(row: RegistryEntry, filter: RegistryFilter): boolean {
  return (
    (filter.model === undefined || row.model === filter.model) &&
    (filter.backend === undefined || row.backend === filter.backend) &&
    (filter.backend_version === undefined || row.backend_version === filter.backend_version) &&
    (filter.outcome === undefined || row.outcome === filter.outcome)
  );
}
