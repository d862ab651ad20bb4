import type { Dirent } from "node:fs";
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { withTimeout } from "../host/with-timeout.ts";
import { entriesIn } from "./entries-in.ts";
import { mapSome } from "./map-some.ts";

/** Something in a root that is left alone, and why. */
export interface RefusedPath {
  readonly path: string;
  readonly reason: string;
}

/** The only ways directories are searched. Tests put one in its place that hangs. */
export interface DirectoryAccess {
  readonly readdir: (directory: string) => Promise<Dirent[]>;
  readonly realpath: (path: string) => Promise<string>;
}

/** Of a directory that is searched; what comes after them is not found. Larger collections than this do not exist. */
const MOST_ENTRIES = 50_000;
/** Links of one directory that are followed side by side. */
const LINKS_AT_ONCE = 16;

export const diskDirectories: DirectoryAccess = {
  readdir: (directory) => entriesIn(directory, MOST_ENTRIES),
  realpath: (path) => realpath(path),
};

/** So long a root waits for where the others are: less than a scan is waited for. Milliseconds. */
const PLACE_WAIT_MS = 300;

interface Place {
  readonly path: string;
  /** Null: not there, or not known yet. */
  real: string | null;
  asking: Promise<void> | null;
  /** Others have waited for it already. */
  isLate: boolean;
}

/** Where the roots are, links followed. Of each it is asked once at a time: a question that hangs holds a thread. */
export class RootPlaces {
  readonly #places: readonly Place[];
  readonly #access: DirectoryAccess;

  constructor(roots: readonly string[], access: DirectoryAccess = diskDirectories) {
    this.#places = roots.map((path) => ({ path, real: null, asking: null, isLate: false }));
    this.#access = access;
  }

  /** What may be read while this root is searched. Waits for its own place without end, for the others' not for long. */
  async around(root: string): Promise<InsideRoots> {
    const asked = this.#places.map((place) => ({ place, known: this.#ask(place) }));
    await Promise.all(asked.filter(({ place }) => place.path === root).map(({ known }) => known));
    const others = asked.filter(({ place }) => !place.isLate);
    await withTimeout(PLACE_WAIT_MS, Promise.all(others.map(({ known }) => known)));
    for (const { place } of others) place.isLate = place.asking !== null;
    return new InsideRoots(root, () => this.#places.flatMap(({ real }) => real ?? []), this.#access);
  }

  #ask(place: Place): Promise<void> {
    place.asking ??= realPathOrNull(place.path, this.#access).then((real) => {
      place.real = real;
      place.asking = null;
      place.isLate = false;
    });
    return place.asking;
  }
}

const LEAVES = "a link leads out of every place models are looked for; add where it leads to model_roots";

/** What may be read: being inside a root is what makes a place readable, and a link counts as where it leads. */
export class InsideRoots {
  readonly refused: RefusedPath[] = [];
  readonly #realRoots: () => readonly string[];
  readonly #access: DirectoryAccess;

  /** The place that is searched. */
  readonly root: string;

  /** @param realRoots asked anew each time: where a slow disk is may become known during the search */
  constructor(root: string, realRoots: () => readonly string[], access: DirectoryAccess) {
    this.root = root;
    this.#realRoots = realRoots;
    this.#access = access;
  }

  /** The names of a directory with what they are; none when it does not exist or may not be read. */
  async list(directory: string): Promise<Dirent[]> {
    return await this.#access.readdir(directory).catch(() => []);
  }

  /** Of these entries the directories that may be searched, also through links. Hidden ones are not meant to be. */
  async directories(parent: string, entries: readonly Dirent[]): Promise<string[]> {
    const usable = await mapSome(entries, LINKS_AT_ONCE, async (entry) => {
      if (entry.name.startsWith(".")) return false;
      if (!entry.isSymbolicLink()) return entry.isDirectory();
      return (await this.follow(join(parent, entry.name))).kind === "inside";
    });
    return entries.filter((_, index) => usable[index]).map(({ name }) => name);
  }

  /** Where a link leads. One that leads out is noted. */
  async follow(link: string): Promise<LinkTarget> {
    const target = await realPathOrNull(link, this.#access);
    const roots = this.#realRoots();
    // A link to a root itself leads to nothing that is not found anyway.
    if (target === null || roots.includes(target)) return { kind: "nowhere" };
    if (roots.some((root) => target.startsWith(withSeparator(root)))) return { kind: "inside", target };
    this.refuse(link, LEAVES);
    return { kind: "outside" };
  }

  refuse(path: string, reason: string): void {
    this.refused.push({ path, reason });
  }
}

export type LinkTarget =
  | { readonly kind: "inside"; readonly target: string }
  | { readonly kind: "outside" }
  | { readonly kind: "nowhere" };

function withSeparator(root: string): string {
  return root.endsWith(sep) ? root : root + sep;
}

async function realPathOrNull(path: string, { realpath }: DirectoryAccess): Promise<string | null> {
  return await realpath(path).catch(() => null);
}
