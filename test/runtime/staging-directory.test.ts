import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { removeAbandonedStaging, stagingDirectoryFor } from "../../supervisor/runtime/staging-directory.ts";

it("removes the workshops of dead builders only, also of one whose pid is in use again", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lmx-workshop-"));
  try {
    const ours = basename(await stagingDirectoryFor(join(directory, "aaaa")));
    const reused = `bbbb.building-${process.pid}-00000000`;
    // Beyond every pid_max.
    const dead = "cccc.building-99999999-12345678";
    for (const name of [ours, reused, dead, `${dead}-old`, "0123456789abcdef"])
      await mkdir(join(directory, name, "lib"), { recursive: true });
    await removeAbandonedStaging(directory);
    expect((await readdir(directory)).toSorted()).toEqual(["0123456789abcdef", ours].toSorted());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
