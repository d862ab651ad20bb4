import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const FIXTURE = join(import.meta.dirname, "..", "fixtures", "host", "starts-a-child.ts");

it.runIf(process.platform === "linux")(
  "what a shell has left open, also with a high number, reaches no process that is started",
  async () => {
    const secret = join(await temporaryDirectory(), "secret");
    await writeFile(secret, "secret");
    const script = `exec 3<'${secret}' 9<'${secret}' 40<'${secret}' 200>>'${secret}'; exec "$0" "$1"`;
    const output = execFileSync("bash", ["-c", script, process.execPath, FIXTURE], { encoding: "utf8" });
    const [closed = "", ...child] = output.split("\n");
    expect(closed.split(" ")).toEqual(expect.arrayContaining(["40", "200"]));
    expect(child.join("\n")).toContain("0 ->");
    expect(child.join("\n")).not.toContain(secret);
  },
);
