import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildTinyModel } from "../support/build-tiny-model.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { type Part, readPage, shapeOf, writePage } from "./transcript.ts";

const PAGE = new URL("../../docs/runbook.md", import.meta.url);
const LMX = join(import.meta.dirname, "../../bin/lmx.js");
/** Where the page says the service listens. */
const SHOWN_ADDRESS = "localhost:1234";
/** The demo model and one of an architecture that is blocked by default. */
const BLOCKED_ARCHITECTURE = "glm_moe_dsa";

let lmx: RunningSupervisor;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lmx-runbook-"));
  const glm = await buildTinyModel(BLOCKED_ARCHITECTURE, join(directory, "glm"), "--endless");
  mkdirSync(join(directory, "bin"));
  const command = join(directory, "bin", "lmx");
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${LMX}' "$@"\n`);
  chmodSync(command, 0o755);
  lmx = await RunningSupervisor.start({ models: { "tiny/glm": glm } });
});
afterAll(async () => {
  await lmx?.dispose();
  await rm(directory, { recursive: true, force: true });
});

/** Both streams, as a terminal shows them; a command that fails still prints. */
async function run(command: string): Promise<string> {
  const address = lmx.url.replace(/^https?:\/\//, "");
  const env = {
    ...process.env,
    PATH: `${join(directory, "bin")}${delimiter}${process.env.PATH}`,
    HOME: lmx.home,
    OPTA_LMX_HOME: lmx.home,
  };
  const script = `exec 2>&1; ${command.replaceAll(SHOWN_ADDRESS, address)}`;
  const done = promisify(execFile)("sh", ["-c", script], { env, cwd: directory });
  const { stdout } = await done.catch((error: { stdout: string }) => error);
  return stdout
    .replaceAll(address, SHOWN_ADDRESS)
    .replaceAll(lmx.home, "~/.opta-lmx")
    .replace(/\n?$/, "\n")
    .replace(/^\n$/, "");
}

/** What the page says happened. */
const STEPS: Readonly<Record<string, (...words: string[]) => Promise<void>>> = {
  crash: async (model = "", times = "1") => {
    for (let count = 0; count < Number(times); count++) {
      const { worker } = await lmx.becomes(model, "routable");
      process.kill(worker?.pid ?? 0, "SIGABRT");
      while ((await lmx.model(model)).worker?.pid === worker?.pid)
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  becomes: async (model = "", state = "") => void (await lmx.becomes(model, state)),
  kill: async (_service = "", times = "1") => {
    const { home } = lmx;
    for (let count = 0; count < Number(times); count++) {
      await lmx.stop("SIGKILL");
      lmx = await RunningSupervisor.start({ home, routable: [] });
    }
  },
  config: async (...words) => writeFileSync(join(lmx.home, "config.yaml"), `${words.join(" ")}\n`),
};

// What it says of memory is what Linux knows.
it.runIf(process.platform === "linux")(
  "every command of the runbook prints what the page shows (UPDATE_DOCS=1 writes it anew)",
  async () => {
    const page = readFileSync(PAGE, "utf8");
    const performed: Part[] = [];
    for (const part of readPage(page)) {
      if (part.kind === "step") {
        const [name = "", ...words] = part.words;
        await (STEPS[name] ?? expect.fail(`no step ${name}`))(...words);
      }
      performed.push(part.kind === "command" ? { ...part, output: await run(part.command) } : part);
    }
    const now = writePage(performed);
    if (process.env.UPDATE_DOCS === "1") writeFileSync(PAGE, now);
    expect(writePage(readPage(page))).toBe(page);
    expect(performed.filter(({ kind }) => kind === "command").length).toBeGreaterThan(20);
    expect(shapeOf(now)).toBe(shapeOf(readFileSync(PAGE, "utf8")));
  },
  300_000,
);
