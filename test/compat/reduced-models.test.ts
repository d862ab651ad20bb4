import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildReducedModel, listReducedModels } from "../../supervisor/compat/reduced-models.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const NEVER = new AbortController().signal;

/** Places whose Python is this shell script. */
async function placesWith(script: string) {
  const directory = await temporaryDirectory();
  const python = join(directory, "python");
  await writeFile(python, `#!/bin/sh\n${script}\n`);
  await chmod(python, 0o755);
  return {
    python,
    workerDirectory: "/worker",
    temporaryDirectory: directory,
    platform: process.platform,
    openBlas: null,
    environment: { PATH: process.env.PATH, SECRET: "s" },
  };
}

describe("the list of architectures", () => {
  it("is what the builder prints, known limits included", async () => {
    const limit = { kind: "needs-metal", reason: "no CPU form" };
    const lines = [
      { arch: "a", family: "a" },
      { arch: "b", family: "a", limit },
    ];
    const places = await placesWith(lines.map((line) => `echo '${JSON.stringify(line)}'`).join("\n"));
    expect(await listReducedModels(places, NEVER)).toEqual(lines);
  });

  it.each([
    ["exit 3", /exit code 3/],
    ["echo nonsense", /cannot be listed/],
    ["echo 'no module' >&2; exit 1", /exit code 1; no module/],
  ])("is a broken runtime when the builder does %j", async (script, message) => {
    const failure = listReducedModels(await placesWith(script), NEVER);
    await expect(failure).rejects.toMatchObject({
      code: "worker_runtime_broken",
      message: expect.stringMatching(message),
    });
  });
});

describe("a build", () => {
  it("names architecture and directory in one word each, in a worker's environment", async () => {
    const places = await placesWith(
      'echo "$@" "secret=$SECRET" "$PYTHONPATH" > said; echo \'{"arch":"-x","path":"/p","parameters":1,"bytes":2}\'',
    );
    expect(await buildReducedModel(places, "-x", "/out dir", NEVER)).toEqual({ kind: "built", path: "/p" });
    expect(await readFile(join(places.temporaryDirectory, "said"), "utf8")).toBe(
      "-m reduced_models --arch=-x --out=/out dir secret= /worker\n",
    );
  });

  it("that fails says why", async () => {
    const places = await placesWith(
      `echo '{"arch":"a","error":{"type":"UnknownField","message":"no value"}}'; exit 1`,
    );
    expect(await buildReducedModel(places, "a", "/out", NEVER)).toEqual({
      kind: "failed",
      type: "UnknownField",
      message: "no value",
    });
  });

  it.each([
    ["kill -SEGV $$", "SIGSEGV"],
    ["echo broken >&2; exit 7", "exit code 7"],
    ["true", "no answer"],
  ])("whose process does %j is an answer too", async (script, type) => {
    const places = await placesWith(script);
    expect(await buildReducedModel(places, "a", "/out", NEVER)).toMatchObject({ kind: "failed", type });
  });

  it("by a Python that is not there is an answer too", async () => {
    const places = { ...(await placesWith("true")), python: "/nowhere/python" };
    expect(await buildReducedModel(places, "a", "/out", NEVER)).toMatchObject({
      kind: "failed",
      type: "not started",
      message: expect.stringContaining("ENOENT"),
    });
  });

  it("ends when it is taken back", async () => {
    const controller = new AbortController();
    const building = buildReducedModel(await placesWith("exec sleep 600"), "a", "/out", controller.signal);
    controller.abort(new Error("taken back"));
    await expect(building).rejects.toThrow("taken back");
  });
});
