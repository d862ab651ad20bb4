import type { FileAccess } from "./file-access.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Pacer } from "./pacer.ts";

/** What every reader of one snapshot works with. */
export interface SnapshotRoom {
  readonly listing: ReadonlyMap<string, ListedFile>;
  readonly files: FileAccess;
  readonly pacer: Pacer;
}
