import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { askPython, findPython, questionPython } from "../../supervisor/runtime/find-python.ts";
import type { PythonFacts } from "../../supervisor/runtime/python-facts.ts";

let directory: string;
let real: PythonFacts;
beforeEach(async () => {
  real = await findPython(process.env);
  directory = await mkdtemp(join(tmpdir(), "lmx-find-python-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function script(path: string, ...lines: string[]): Promise<string> {
  const file = join(directory, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, ["#!/bin/sh", ...lines, ""].join("\n"));
  await chmod(file, 0o755);
  return file;
}

const path = (...names: string[]) => ({ PATH: names.map((name) => join(directory, name)).join(delimiter) });

it("passes an empty shim over and finds the same name further down PATH", async () => {
  await script("shims/python3.13", 'echo "pyenv: python3.13: command not found" >&2', "exit 127");
  await mkdir(join(directory, "real"));
  await symlink(real.executable, join(directory, "real", "python3"));
  await script("shims/python3", "exit 127");
  expect(await findPython(path("shims", "real"))).toMatchObject({ version: real.version });
});

it("asks a shim under every name it has, though it is one program", async () => {
  const shim = await script(
    "tools/mise",
    `case "$0" in *python3) exec '${real.executable}' "$@";; *) exit 1;; esac`,
  );
  await mkdir(join(directory, "bin"));
  for (const name of ["python3.13", "python3.12", "python3"])
    await symlink(shim, join(directory, "bin", name));
  expect(await findPython(path("bin"))).toMatchObject({ version: real.version });
});

it("tells one that cannot be asked just now from one that is none", async () => {
  const slow = await script("bin/python3", "exec sleep 60");
  expect(await questionPython(slow, process.env, 200)).toEqual({ kind: "later" });
  expect(await questionPython(join(directory, "nowhere"), {})).toEqual({ kind: "none" });
});

it("tells the Python behind a wrapper, not the wrapper", async () => {
  const wrapper = await script("bin/python3", `exec '${real.executable}' "$@"`);
  expect((await askPython(wrapper, {}))?.executable).toBe(real.executable);
});

it("is not misled by the PYTHONPATH and PYTHONHOME of the user", async () => {
  expect(await askPython(real.executable, { PYTHONHOME: "/nowhere", PYTHONPATH: "/nowhere" })).toEqual(real);
});

it.each([
  ["prints nonsense", "echo hello"],
  ["prints facts that are none", "echo '{}'"],
  ["fails", "exit 1"],
])("finds no Python in a program that %s", async (_what, line) => {
  await script("bin/python3", line);
  await expect(findPython(path("bin"))).rejects.toMatchObject({ kind: "no-python" });
});

it("uses only what OPTA_LMX_PYTHON names, by path or by name", async () => {
  await symlink(real.executable, join(directory, "my-python"));
  const environment = { PATH: directory };
  expect(await findPython({ ...environment, OPTA_LMX_PYTHON: "my-python" })).toMatchObject({
    version: real.version,
  });
  expect(await findPython({ OPTA_LMX_PYTHON: join(directory, "my-python") })).toMatchObject({
    version: real.version,
  });
  await expect(findPython({ ...process.env, OPTA_LMX_PYTHON: "/nowhere/python" })).rejects.toMatchObject({
    message: expect.stringContaining("/nowhere/python does not run as one"),
  });
});
