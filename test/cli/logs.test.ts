import { appendFile, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { followLog } from "../../supervisor/cli/follow-log.ts";
import { workerLogIn } from "../../supervisor/host/log-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { FakeTerminal } from "./fake-terminal.ts";
import { lmx } from "./lmx.ts";

const line = (level: number, msg: string, fields: object = {}) =>
  `${JSON.stringify({ level, time: 1_795_250_000_000, ...fields, msg })}\n`;

/** A state directory with these log files, newest first. */
async function homeWith(...files: string[]): Promise<string> {
  const home = await temporaryDirectory();
  await mkdir(join(home, "logs"));
  for (const [index, text] of files.entries())
    await writeFile(join(home, "logs", `supervisor.log${index === 0 ? "" : `.${index}`}`), text);
  return home;
}

async function messages(home: string, ...args: string[]): Promise<unknown[]> {
  const { out } = await lmx(["logs", ...args], { OPTA_LMX_HOME: home });
  return out
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => JSON.parse(text).msg);
}

describe("logs", () => {
  it("prints the last lines as they were written, from older files too", async () => {
    const home = await homeWith(line(30, "e") + line(30, "f"), line(30, "c") + line(30, "d"), line(30, "a"));
    expect(await messages(home)).toEqual(["a", "c", "d", "e", "f"]);
    expect(await messages(home, "-n", "3")).toEqual(["d", "e", "f"]);
    expect(await messages(home, "--lines", "0")).toEqual([]);
  });

  it("counts only lines that match the model and the level", async () => {
    const home = await homeWith(
      [
        line(40, "one", { model: "org/a" }),
        line(30, "two", { model: "org/a" }),
        line(50, "three", { model: "org/b" }),
        line(40, "four"),
        "half a li",
      ].join(""),
    );
    expect(await messages(home, "--model", "org/a")).toEqual(["one", "two"]);
    expect(await messages(home, "--level", "warn", "-n", "2")).toEqual(["three", "four"]);
    expect(await messages(home, "-m", "org/a", "-l", "warn")).toEqual(["one"]);
  });

  it("is readable on a terminal, and harmless", async () => {
    const home = await homeWith(
      `${line(40, "bad \u001b[2J news", { model: "org/a", stderr: "x\u009b2J" })}half \u001b[2J\n`,
    );
    const terminal = new FakeTerminal();
    const env = { OPTA_LMX_HOME: home, NO_COLOR: "1" };
    await lmx(["logs"], env, { stdout: terminal.stdout });
    expect(terminal.shown).toMatch(/WARN.*: bad \ufffd\[2J news/);
    expect(terminal.shown).toContain("half \ufffd[2J");
    for (const control of ["\u001b", "\u009b"]) expect(terminal.shown).not.toContain(control);
    const raw = new FakeTerminal();
    await lmx(["logs", "--json", "-n", "1"], env, { stdout: raw.stdout });
    expect(raw.shown.trimEnd()).toBe("half \u001b[2J");
  });

  it("says so when there is none, and which levels there are", async () => {
    const home = await temporaryDirectory();
    expect(await lmx(["logs"], { OPTA_LMX_HOME: home })).toMatchObject({
      code: 69,
      err: expect.stringContaining("no supervisor ran on this state directory yet"),
    });
    expect(await lmx(["logs", "--level", "loud"], { OPTA_LMX_HOME: home })).toMatchObject({
      code: 64,
      err: expect.stringContaining("expected one of trace, debug, info, warn, error, fatal"),
    });
  });

  it("need no configuration that can be read", async () => {
    const home = await homeWith(line(30, "still here"));
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    expect(await messages(home)).toEqual(["still here"]);
  });

  it("--worker shows what the workers of one model wrote, and says whose it wants to know", async () => {
    const home = await homeWith(line(30, "supervisor", { model: "org/a" }));
    await mkdir(join(home, "logs/workers"));
    const path = workerLogIn(join(home, "logs"), "org/a");
    await writeFile(path, line(30, "newer", { model: "org/a", pid: 2 }));
    await writeFile(`${path}.1`, line(30, "older", { model: "org/a", pid: 1 }));
    expect(await messages(home, "--model", "org/a", "--worker")).toEqual(["older", "newer"]);
    const env = { OPTA_LMX_HOME: home };
    expect(await lmx(["logs", "--worker"], env)).toMatchObject({
      code: 64,
      err: expect.stringContaining("Name it with --model ID"),
    });
    expect(await lmx(["logs", "--worker", "--model", "org/b"], env)).toMatchObject({
      code: 69,
      err: expect.stringContaining("no worker of this model has run yet"),
    });
  });

  it("--follow goes on with what is written, and keeps filtering", async () => {
    const home = await homeWith(line(30, "old"));
    const terminal = new FakeTerminal();
    let polls = 0;
    const delay = async () => {
      polls += 1;
      if (polls === 1)
        await appendFile(join(home, "logs/supervisor.log"), line(30, "quiet") + line(40, "new"));
      if (polls === 3) throw new Error("enough");
    };
    const options = { stdout: terminal.stdout, delay };
    await lmx(["logs", "--follow", "--json", "--level", "warn"], { OPTA_LMX_HOME: home }, options);
    expect(terminal.shown.startsWith(line(40, "new"))).toBe(true);
    expect(terminal.shown).not.toContain("quiet");
  });
});

describe("following a file", () => {
  /** Follows for as many pauses as there are steps, doing one step in each. */
  async function followed(path: string, from: number, steps: (() => Promise<unknown>)[]): Promise<string[]> {
    const lines: string[] = [];
    const delay = async () => {
      const step = steps.shift();
      if (step === undefined) throw new Error("enough");
      await step();
    };
    const all = async () => {
      for await (const text of followLog(path, from, delay)) lines.push(text);
    };
    await expect(all()).rejects.toThrow("enough");
    return lines;
  }

  it("waits for one that is not there yet, and for the end of a line", async () => {
    const path = join(await temporaryDirectory(), "log");
    const steps = [() => writeFile(path, "on"), () => appendFile(path, "e\ntw\u00f6\n")];
    expect(await followed(path, 0, steps)).toEqual(["one", "tw\u00f6"]);
  });

  it("goes over to the file that takes its place, without losing the end of the old one", async () => {
    const path = join(await temporaryDirectory(), "log");
    await writeFile(path, "seen\n");
    const steps = [
      async () => {
        await appendFile(path, "last\n");
        await rename(path, `${path}.1`);
        await writeFile(path, "first\n");
      },
    ];
    expect(await followed(path, 5, steps)).toEqual(["last", "first"]);
  });

  it("begins anew when the file was emptied", async () => {
    const path = join(await temporaryDirectory(), "log");
    await writeFile(path, "a long line that was seen\n");
    expect(await followed(path, 26, [() => writeFile(path, "new\n")])).toEqual(["new"]);
  });
});
