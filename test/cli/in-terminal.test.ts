import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, it } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { fakeChat } from "./fake-chat.ts";
import { always, fakeSupervisor, model, modelList } from "./fake-supervisor.ts";

const ROOT = join(import.meta.dirname, "../..");
const DRIVER = join(ROOT, "test/fixtures/cli/in-terminal.py");

interface Terminal {
  readonly shown: string;
  readonly code: number;
  readonly restored: boolean;
}

/** The real bin in a real pseudo-terminal: waits for a text, types keys, and so on until it ends. */
async function inTerminal(args: readonly string[], ...steps: [string, string][]): Promise<Terminal> {
  const command = [process.execPath, join(ROOT, "bin/lmx.js"), ...args];
  const env = { ...process.env, OPTA_LMX_HOME: await temporaryDirectory(), TERM: "xterm" };
  const { stdout } = await promisify(execFile)(
    inject("python") ?? "python3",
    [DRIVER, JSON.stringify(steps), ...command],
    {
      env,
    },
  );
  return JSON.parse(stdout) as Terminal;
}

it("in a terminal Ctrl-C stops an answer, a second one leaves, and the terminal is as it was", async () => {
  const { url, left } = await fakeChat([{ text: "endless" }, "hang"]);
  const { code, restored } = await inTerminal(
    ["run", "m", "--url", url],
    [">>> ", "go\r"],
    ["endless", "\u0003"],
    ["stopped", ""],
    [">>> ", "\u0003"],
  );
  await left;
  expect({ code, restored }).toEqual({ code: 0, restored: true });
});

it("the live table leaves with q and gives the terminal back", async () => {
  const { url } = await fakeSupervisor(always(200, modelList(model("org/a", "routable"))));
  const { code, restored, shown } = await inTerminal(["ps", "--watch", "--url", url], ["org/a", "q"]);
  expect({ code, restored }).toEqual({ code: 0, restored: true });
  expect(shown.indexOf("\u001b[?1049l")).toBeGreaterThan(shown.indexOf("\u001b[?1049h"));
});
