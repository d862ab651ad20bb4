import type { Dirent } from "node:fs";

/** A directory that looks like a model, and the id its place gives it. */
export interface FoundDirectory {
  readonly id: string;
  readonly path: string;
  /** What is in it. */
  readonly entries: readonly Dirent[];
}
