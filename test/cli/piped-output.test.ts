import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LMX = join(import.meta.dirname, "../../bin/lmx.js");
/** Far more than a pipe holds. */
const LINES = 20_000;

it("what is printed into a pipe arrives whole, however slow its reader", async () => {
  const home = await temporaryDirectory();
  const written = Array.from({ length: LINES }, (_, n) =>
    JSON.stringify({ level: 30, time: n, msg: "fact" }),
  );
  mkdirSync(join(home, "logs"));
  writeFileSync(join(home, "logs/supervisor.log"), `${written.join("\n")}\n`);
  const child = spawn(process.execPath, [LMX, "logs", "-n", String(LINES)], {
    env: { ...process.env, OPTA_LMX_HOME: home, HOME: home },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let read = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    read += chunk;
    await setTimeout(1);
  }
  expect(read.split("\n").length - 1).toBe(LINES);
});
