import { DISK_PATIENCE_MS, withTimeout } from "../../host/with-timeout.ts";
import type { Intents } from "../../store/intents.ts";

/** Written ahead of a load, so that a machine that goes down with it remembers what it was doing. */
export class LoadIntents {
  readonly #store: Intents;
  readonly #bootId: string | null;

  constructor(store: Intents, bootId: string | null) {
    this.#store = store;
    this.#bootId = bootId;
  }

  /** Resolves when it is on the disk, cannot be, or the disk has stalled: it would hold every other load up. */
  async begin(key: string | null, pid: number | null): Promise<void> {
    if (key === null || pid === null) return;
    const begun = this.#store.begin({ key, pid, bootId: this.#bootId, at: Date.now() });
    await withTimeout(DISK_PATIENCE_MS, begun);
  }

  /** A clean end, or long enough in service. */
  end(key: string | null, pid: number | null): void {
    if (key !== null && pid !== null) void this.#store.end({ key, pid });
  }
}
