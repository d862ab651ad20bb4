import { join } from "node:path";
import { openRegularFile } from "../host/regular-file.ts";
import type { FoundDirectory } from "./found-directory.ts";
import type { InsideRoots } from "./inside-roots.ts";
import { looksLikeModel } from "./looks-like-model.ts";
import { mapSome } from "./map-some.ts";

/** `models--org--name`, or `models--name` for the oldest ones. The hub allows no `--` inside either part. */
const REPOSITORY = /^models--((?!-)(?:(?!--).)+)(?:--((?!-)(?:(?!--).)+))?$/;
const REVISION = /^[0-9a-f]{40}$/;
/** Of a revision without a name this much is in the id, as git shows it. */
const SHORT_REVISION = 8;
/** A ref file holds one revision. Bytes. */
const REF_BYTES = 64;
/** `refs/pr/1` is as deep as names of refs go. */
const REF_DEPTH = 4;
/** Refs of one directory; somebody who tries every pull request of a repository has some hundred. */
const MOST_REFS = 2_000;
/** Of repositories, and of the revisions and refs of one; each holds a descriptor while it is read. */
const OPEN_AT_ONCE = 4;

/**
 * The models of a Hugging Face cache, one per downloaded revision. The revision of `main`, or the only one there is,
 * is `org/name`; any other is `org/name@` and its ref's name, or the beginning of the revision when no ref names it.
 */
export async function findInHuggingFaceCache(cache: string, inside: InsideRoots): Promise<FoundDirectory[]> {
  const names = await inside.directories(cache, await inside.list(cache));
  const found = await mapSome(names, OPEN_AT_ONCE, async (name) => {
    const parts = REPOSITORY.exec(name);
    if (parts === null) return [];
    const id = parts.slice(1).filter(Boolean).join("/").normalize("NFC");
    return await findRevisions(join(cache, name), id, inside);
  });
  return found.flat();
}

async function findRevisions(repository: string, id: string, inside: InsideRoots): Promise<FoundDirectory[]> {
  const snapshots = join(repository, "snapshots");
  const names = await inside.directories(snapshots, await inside.list(snapshots));
  const revisions = names.filter((name) => REVISION.test(name));
  if (revisions.length === 0) return [];
  const refs = await readRefs(join(repository, "refs"), "", inside, REF_DEPTH);
  const present = refs.filter(({ revision }) => revisions.includes(revision));
  const main = present.find(({ name }) => name === "main")?.revision ?? onlyOne(revisions);
  const models = await mapSome(revisions, OPEN_AT_ONCE, async (revision): Promise<FoundDirectory> => {
    const path = join(snapshots, revision);
    const name = present.find((ref) => ref.revision === revision)?.name ?? revision.slice(0, SHORT_REVISION);
    return { id: revision === main ? id : `${id}@${name}`, path, entries: await inside.list(path) };
  });
  return models.filter(({ entries }) => looksLikeModel(entries));
}

interface Ref {
  /** `main`, `v1.0`, `refs/pr/1`. */
  readonly name: string;
  readonly revision: string;
}

async function readRefs(
  directory: string,
  prefix: string,
  inside: InsideRoots,
  depth: number,
): Promise<Ref[]> {
  const entries = (await inside.list(directory)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const refs = await mapSome(entries.slice(0, MOST_REFS), OPEN_AT_ONCE, async (entry): Promise<Ref[]> => {
    const [path, name] = [join(directory, entry.name), `${prefix}${entry.name}`];
    if (entry.isDirectory()) return depth > 1 ? await readRefs(path, `${name}/`, inside, depth - 1) : [];
    // The hub writes plain files here; what else there may be is not opened.
    if (!entry.isFile()) return [];
    const revision = await readRevision(path);
    return revision === null ? [] : [{ name: name.normalize("NFC"), revision }];
  });
  return refs.flat();
}

async function readRevision(path: string): Promise<string | null> {
  const handle = await openRegularFile(path).catch(() => null);
  if (handle === null) return null;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(REF_BYTES), 0, REF_BYTES, 0);
    const text = buffer.toString("latin1", 0, bytesRead).trim();
    return REVISION.test(text) ? text : null;
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

function onlyOne(revisions: readonly string[]): string | undefined {
  return revisions.length === 1 ? revisions[0] : undefined;
}
