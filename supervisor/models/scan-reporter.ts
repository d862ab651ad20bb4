import type { FoundDirectory } from "./found-directory.ts";
import type { RefusedPath } from "./inside-roots.ts";

/** The part of a logger that a scan needs. */
export interface ScanLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Says once what a scan left out and why; again only after it was gone in between. */
export class ScanReporter {
  readonly #log: ScanLog | undefined;
  #said = new Set<string>();

  constructor(log: ScanLog | undefined) {
    this.#log = log;
  }

  report(
    found: readonly FoundDirectory[],
    chosen: ReadonlyMap<string, FoundDirectory>,
    refused: readonly RefusedPath[],
  ): void {
    const before = this.#said;
    this.#said = new Set();
    const isNews = (path: string): boolean => {
      this.#said.add(path);
      return !before.has(path);
    };
    for (const { id, path } of found) {
      const used = chosen.get(id)?.path;
      if (path !== used && isNews(path)) {
        this.#log?.info({ model: id, path, used }, "model shadowed by another of the same id");
      }
    }
    for (const { path, reason } of refused) {
      if (isNews(path)) this.#log?.warn({ path, reason }, "not a model that can be used");
    }
  }
}
