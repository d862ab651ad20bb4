import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { registryFileSchema } from "../../shared/registry.ts";
import { openRegistry } from "../../supervisor/store/compatibility-registry.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const WRITER = join(import.meta.dirname, "..", "fixtures", "store", "writes-without-end.ts");
const KILLS = 50;

/** Lets a writer work until it announces its n-th file operation, kills it there, and tells the last row it acknowledged. */
async function killedAtStep(path: string, from: number, step: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, path, String(from)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(writer, "exit");
  let last = from - 1;
  let steps = 0;
  for await (const line of createInterface({ input: writer.stdout })) {
    if (line.startsWith("step ")) steps += 1;
    else last = Number(line.slice("row ".length));
    if (steps === step) writer.kill("SIGKILL");
    // What was announced before the signal arrived is still read: the loop ends when the pipe does.
  }
  expect((await exited)[1]).toBe("SIGKILL");
  return last;
}

it(`a writer killed ${KILLS} times leaves a whole file each time, with the last row it acknowledged`, async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, "compatibility-registry.json");
  let next = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    // The first writer has finished a whole row when it dies, so that there is a file to read.
    const acknowledged = await killedAtStep(path, next, 12 + kill);
    const { entries } = registryFileSchema.parse(JSON.parse(await readFile(path, "utf8")));
    // One more row may have reached the disk before its acknowledgement reached us.
    expect([acknowledged, acknowledged + 1]).toContain(Number(entries.at(-1)?.reason));
    next = acknowledged + 2;
  }
  await openRegistry({ path, now: Date.now, log: { info: () => undefined, error: () => undefined } });
  expect((await readdir(directory)).toSorted()).toEqual([
    "compatibility-registry.json",
    "compatibility-registry.json.bak",
  ]);
});
