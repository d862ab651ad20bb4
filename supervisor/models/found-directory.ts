import type { Dirent } from "node:fs";

export interface FoundDirectory {
  readonly id: string;
  readonly path: string;
  /** What is in it. */
  readonly entries: readonly Dirent[];
}

/** A directory that looks like a model, and the id its place gives it. */
