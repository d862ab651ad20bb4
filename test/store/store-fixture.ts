import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoreOptions } from "../../supervisor/store/row-store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { FaultyFiles } from "./faulty-files.ts";

/** A store's file in a directory of its own, opened as often as a test likes. */
export interface StoreFixture<Store> {
  readonly path: string;
  readonly files: FaultyFiles;
  open(): Promise<Store>;
  /** Opens it with this text in the file. */
  reading(content: string): Promise<Store>;
  stored(): Promise<unknown>;
  names(): Promise<string[]>;
}

export async function storeFixture<Store>(
  openStore: (options: StoreOptions) => Promise<Store>,
): Promise<StoreFixture<Store>> {
  const directory = await temporaryDirectory();
  const path = join(directory, "store.json");
  const files = new FaultyFiles();
  const log = { info: () => undefined, error: () => undefined };
  const open = () => openStore({ path, files, log, now: () => 0, schedule: () => () => undefined });
  return {
    path,
    files,
    open,
    reading: async (content) => {
      await writeFile(path, content);
      return await open();
    },
    stored: async () => JSON.parse(await readFile(path, "utf8")),
    names: async () => (await readdir(directory)).toSorted(),
  };
}
