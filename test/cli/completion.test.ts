import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../supervisor/cli/commands.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { lmx } from "./lmx.ts";

/** What bash offers for a command line, its last word unfinished; `lmx models` is faked. */
async function offers(...words: string[]): Promise<string[]> {
  const directory = await temporaryDirectory();
  const script = join(directory, "completion.bash");
  await writeFile(script, (await lmx(["completion", "bash"])).out);
  const fake = join(directory, "lmx");
  await writeFile(fake, "#!/bin/sh\nprintf 'org/a\\norg/b\\nlmx-demo\\n'\n");
  await chmod(fake, 0o755);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash that fills it in
  const program = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lmx; echo "${COMPREPLY[@]}"';
  const env = { PATH: `${directory}:/usr/bin:/bin` };
  const out = execFileSync("bash", ["--norc", "-u", "-c", program, "bash", script, "lmx", ...words], {
    env,
    encoding: "utf8",
  });
  return out.trim().split(" ");
}

describe("completion for bash", () => {
  it("is a script bash accepts", async () => {
    const { code, out } = await lmx(["completion", "bash"]);
    expect(code).toBe(0);
    execFileSync("bash", ["--norc", "-n"], { input: out });
  });

  it("completes commands, their options, second words and models", async () => {
    const firstWords = new Set(COMMANDS.map(({ name }) => name.split(" ")[0]));
    expect(await offers("")).toEqual([...firstWords, "--help", "--version"]);
    expect(await offers("lo")).toEqual(["load", "logs"]);
    expect(await offers("ps", "--w")).toEqual(["--watch"]);
    expect(await offers("config", "")).toEqual(["show", "reload"]);
    expect(await offers("compat", "")).toEqual(["matrix", "regressions", "sweep"]);
    expect(await offers("compat", "--out")).toEqual(["--outcome"]);
    expect(await offers("completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(await offers("run", "org/")).toEqual(["org/a", "org/b"]);
    expect(await offers("run", "org/a", "--sy")).toEqual(["--system"]);
    expect(await offers("serve", "")).toEqual([""]);
  });
});

it.each(["zsh", "fish"])("completion for %s names every command and option", async (shell) => {
  const { code, out } = await lmx(["completion", shell]);
  expect(code).toBe(0);
  for (const { name, options } of COMMANDS) {
    expect(out).toContain(name.split(" ")[0]);
    for (const option of Object.keys(options)) expect(out).toMatch(new RegExp(`(--|-l )${option}\\b`));
  }
});

it("another shell is refused by name, --json wraps the script", async () => {
  expect(await lmx(["completion", "tcsh"])).toMatchObject({
    code: 64,
    err: 'lmx: Expected one of bash, zsh, fish, got "tcsh".\n',
  });
  const { out } = await lmx(["completion", "fish", "--json"]);
  expect(JSON.parse(out)).toEqual({ shell: "fish", script: (await lmx(["completion", "fish"])).out });
});
