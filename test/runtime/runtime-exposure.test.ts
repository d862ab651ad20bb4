import { chmod, mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { closeToOthers } from "../../supervisor/runtime/close-to-others.ts";
import { ensureRuntime } from "../../supervisor/runtime/ensure-runtime.ts";
import { runtimePlace } from "../../supervisor/runtime/locate-runtime.ts";
import { runtimeExposure } from "../../supervisor/runtime/runtime-exposure.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const PACKAGE = "lib/python3.13/site-packages/mlx_lm/__init__.py";

let state: string;
let runtimesDirectory: string;
let directory: string;

/** A runtime as pip leaves it, in a state directory. */
beforeEach(async () => {
  state = await temporaryDirectory();
  runtimesDirectory = join(state, "runtimes");
  directory = join(runtimesDirectory, "0123456789abcdef");
  await mkdir(join(directory, "bin"), { recursive: true });
  await mkdir(dirname(join(directory, PACKAGE)), { recursive: true });
  await writeFile(join(directory, PACKAGE), "");
  await symlink("/usr/bin/python3", join(directory, "bin", "python"));
});

const exposure = (within: string | undefined = state) =>
  runtimeExposure({ directory, runtimesDirectory, within });

describe("a runtime others could have changed", () => {
  it("is none where only its user writes, also in a sticky /tmp, or where nothing is yet", async () => {
    expect(await exposure()).toBeNull();
    directory = join(runtimesDirectory, "another");
    expect(await exposure()).toBeNull();
  });

  it.each([
    ["the runtime", "runtimes/0123456789abcdef", "-R "],
    ["a directory in it", "runtimes/0123456789abcdef/bin", "-R "],
    ["a package", "runtimes/0123456789abcdef/lib/python3.13/site-packages/mlx_lm", "-R "],
    ["the directory of the runtimes", "runtimes", ""],
    ["the state directory", ".", ""],
  ])("is told by %s", async (_, name, flag) => {
    await chmod(join(state, name), 0o777);
    const path = join(state, name);
    expect(await exposure()).toMatchObject({
      problem: expect.stringContaining(`${path} can be changed by every user`),
      nextStep: `chmod ${flag}go-w ${flag === "" ? path : directory}`,
    });
  });

  it("is looked for from the directory of the runtimes on where that is not the service's own", async () => {
    await chmod(state, 0o777);
    expect(await exposure(join(state, "elsewhere"))).toBeNull();
    await chmod(runtimesDirectory, 0o777);
    expect(await exposure(join(state, "elsewhere"))).not.toBeNull();
  });

  it("is not run, and the message has the command that mends it", async () => {
    const lockFile = join(state, "requirements.lock");
    await writeFile(lockFile, "");
    ({ directory } = await runtimePlace(runtimesDirectory, lockFile, {}));
    const ran = join(state, "ran");
    await mkdir(join(directory, "bin"), { recursive: true });
    await writeFile(join(directory, "bin", "python"), `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 });
    const versions = { python: "3.13.1", mlx: "1.0", mlx_lm: "1.0" };
    const { lockHash } = await runtimePlace(runtimesDirectory, lockFile, {});
    const marker = { lockHash, versions, builtAt: new Date().toISOString() };
    await writeFile(join(directory, "opta-lmx-runtime.json"), JSON.stringify(marker));
    await chmod(directory, 0o777);
    const asked = ensureRuntime({ runtimesDirectory, lockFile, environment: { PATH: "" }, within: state });
    await expect(asked).rejects.toMatchObject({
      kind: "exposed",
      message: expect.stringContaining(`${directory} can be changed by every user`),
      nextStep: expect.stringContaining(`chmod -R go-w ${directory}`),
    });
    await expect(stat(ran)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

it("a new runtime is closed to others whatever the umask was, and keeps what may be run", async () => {
  for (const [name, mode] of [
    [PACKAGE, 0o666],
    ["bin", 0o777],
    ["lib", 0o2775],
    [".", 0o777],
  ] as const)
    await chmod(join(directory, name), mode);
  await closeToOthers(directory);
  const modeOf = async (name: string) => (await stat(join(directory, name))).mode & 0o7777;
  expect(await Promise.all([PACKAGE, "bin", "lib", "."].map(modeOf))).toEqual([0o644, 0o755, 0o2755, 0o755]);
  expect(await exposure()).toBeNull();
});
