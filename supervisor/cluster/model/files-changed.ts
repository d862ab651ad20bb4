import { access } from "node:fs/promises";
import { DISK_PATIENCE_MS, withTimeout } from "../../host/with-timeout.ts";
import type { CatalogueEntry } from "../../models/catalogue-entry.ts";

/**
 * Whether what was admitted cannot be loaded any more, the disk having `now` for the model. Another directory, such as
 * the snapshot of an update that may still be on its way, leaves the admitted one as good as it was while it is there.
 */
export async function filesChanged(admitted: CatalogueEntry, now: CatalogueEntry): Promise<boolean> {
  if (admitted.path === now.path) return admitted.digest !== now.digest;
  const isGone = access(admitted.path).then(
    () => false,
    () => true,
  );
  // All other loads wait meanwhile.
  return (await withTimeout(DISK_PATIENCE_MS, isGone)) ?? true;
}
