import { join } from "node:path";
import { findInHuggingFaceCache } from "./find-in-huggingface-cache.ts";
import type { FoundDirectory } from "./found-directory.ts";
import type { InsideRoots } from "./inside-roots.ts";
import { looksLikeModel } from "./looks-like-model.ts";
import { mapSome } from "./map-some.ts";
import type { ModelRoot } from "./model-roots.ts";

/** Of each level of directories; each holds a descriptor while it is listed. */
const LISTED_AT_ONCE = 4;

/** The model directories of a root by id; an id may come more than once. */
export async function findModelDirectories(
  { kind, path }: ModelRoot,
  inside: InsideRoots,
): Promise<FoundDirectory[]> {
  const found = await (kind === "folders" ? findInFolders : findInHuggingFaceCache)(path, inside);
  return found
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .filter((directory) => isUsableId(directory, inside));
}

/** `<root>/<name>` and `<root>/<org>/<name>`. */
async function findInFolders(root: string, inside: InsideRoots): Promise<FoundDirectory[]> {
  const names = await inside.directories(root, await inside.list(root));
  const found = await mapSome(names, LISTED_AT_ONCE, async (name): Promise<FoundDirectory[]> => {
    const path = join(root, name);
    const entries = await inside.list(path);
    if (looksLikeModel(entries)) return [{ id: idOf(name), path, entries }];
    const children = await mapSome(
      await inside.directories(path, entries),
      LISTED_AT_ONCE,
      async (child) => ({
        id: idOf(name, child),
        path: join(path, child),
        entries: await inside.list(join(path, child)),
      }),
    );
    return children.filter((child) => looksLikeModel(child.entries));
  });
  return found.flat();
}

/** File systems differ in how they spell an accent; ids do not. */
function idOf(...names: readonly string[]): string {
  return names.join("/").normalize("NFC");
}

/** Ids go into headers, logs and terminals: no control characters, nothing that turns the direction of text. */
function isUsableId({ id, path }: FoundDirectory, inside: InsideRoots): boolean {
  if (!/[\p{Cc}\p{Bidi_Control}\p{Cs}\ufffd\u2028\u2029]/u.test(id)) return true;
  inside.refuse(path, "its name has control characters; rename the directory");
  return false;
}
