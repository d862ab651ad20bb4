import PQueue from "p-queue";

/** The right to load. Held from `granted` until `giveBack`; giving it back before it is granted leaves the queue. */
export interface LoadPermit {
  giveBack(): void;
}

/** One load at a time over all models: unified memory is shared, and two loads at once have taken machines down. */
export class LoadQueue {
  readonly #queue = new PQueue({ concurrency: 1 });

  /** Calls `granted` once, later, when it is this caller's turn. */
  ask(granted: () => void): LoadPermit {
    let release: () => void = () => {};
    const returned = new Promise<void>((resolve) => {
      release = resolve;
    });
    let live = true;
    void this.#queue.add(async () => {
      if (!live) return;
      granted();
      await returned;
    });
    return {
      giveBack: () => {
        live = false;
        release();
      },
    };
  }
}
