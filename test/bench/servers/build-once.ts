import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** A model for the benchmarks that a Python program writes. */
export interface ModelRecipe {
  readonly id: string;
  /** The program; it takes the model's directory as its argument. */
  readonly builder: string;
  /** Other files the result depends on. */
  readonly sources: readonly string[];
}

/**
 * The directory that holds the model under its id. Named after what it is built from; built aside and renamed, so a
 * half one is never used.
 */
export async function buildOnce(
  { id, builder, sources }: ModelRecipe,
  cache: string,
  python: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const source of [builder, ...sources]) hash.update(await readFile(source));
  const root = join(cache, hash.digest("hex").slice(0, 16));
  const present = await readFile(join(root, id, "config.json")).catch(() => null);
  if (present !== null) return root;
  await mkdir(cache, { recursive: true });
  const workshop = await mkdtemp(join(cache, "building-"));
  await mkdir(dirname(join(workshop, id)), { recursive: true });
  await promisify(execFile)(python, [builder, join(workshop, id)], { env: { ...env } });
  await rename(workshop, root).catch(() => rm(workshop, { recursive: true, force: true }));
  return root;
}
