import { createHash } from "node:crypto";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { safetensors } from "./model-directory.ts";

/** A commit hash. */
export function revision(character: string): string {
  return character.repeat(40);
}

/** Writes one downloaded revision as huggingface_hub lays it out: contents in blobs, links in snapshots. */
export async function downloadRevision(
  cache: string,
  id: string,
  commit: string,
  files: Readonly<Record<string, string | Buffer>> = {
    "config.json": '{"model_type": "llama"}',
    "tokenizer.json": "{}",
    "model.safetensors": safetensors({ w: { dtype: "F16", shape: [8] } }),
  },
): Promise<string> {
  const repository = join(cache, `models--${id.replaceAll("/", "--")}`);
  const snapshot = join(repository, "snapshots", commit);
  for (const [name, content] of Object.entries(files)) {
    const blob = join(repository, "blobs", createHash("sha256").update(content).digest("hex"));
    const link = join(snapshot, name);
    await mkdir(dirname(blob), { recursive: true });
    await mkdir(dirname(link), { recursive: true });
    await writeFile(blob, content);
    await symlink(relative(dirname(link), blob), link);
  }
  return snapshot;
}

/** Points a ref such as `main` or `refs/pr/1` at a revision. */
export async function writeRef(cache: string, id: string, name: string, commit: string): Promise<void> {
  const path = join(cache, `models--${id.replaceAll("/", "--")}`, "refs", name);
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await writeFile(path, commit);
}
