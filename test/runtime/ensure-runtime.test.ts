import { execFile, spawnSync } from "node:child_process";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RuntimeProgress } from "../../supervisor/runtime/build-runtime.ts";
import { ensureRuntime } from "../../supervisor/runtime/ensure-runtime.ts";
import { listRuntimes, locateRuntime, runtimePlace } from "../../supervisor/runtime/locate-runtime.ts";
import { writeMarker } from "../../supervisor/runtime/runtime-marker.ts";
import { type RoomEvent, RuntimeRoom, TINY_PROOF } from "./runtime-room.ts";

const RUNTIME_NAME = /^[0-9a-f]{16}$/;
const canMount = spawnSync("/usr/bin/unshare", ["-m", "true"]).status === 0;

let room: RuntimeRoom;
beforeEach(async () => {
  room = await RuntimeRoom.open();
});
afterEach(() => room.close());

function ensure(onProgress?: (progress: RuntimeProgress) => void, signal?: AbortSignal) {
  return ensureRuntime({
    runtimesDirectory: room.runtimes,
    lockFile: room.lockFile,
    proof: TINY_PROOF,
    environment: room.environment,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
}

const failure = async () => (await ensure().catch((error: unknown) => error)) as Record<string, unknown>;
const installing = (event: RoomEvent) =>
  event.kind === "step" && event.step === "installing the packages with pip";

describe("a runtime", () => {
  it("is built with pip, works after the rename, and is not built again", async () => {
    const progress: RuntimeProgress[] = [];
    const runtime = await ensure((event) => progress.push(event));
    const steps = progress.map((event) => (event.kind === "step" ? event.step.split(" ")[0] : event.kind));
    expect(steps).toEqual(["making", "installing", "installing", "unpacking", "proving", "done"]);
    expect(runtime.versions.mlx).toBe("1.0");
    expect(await room.names()).toEqual([runtime.lockHash]);
    const marker = JSON.parse(await readFile(join(runtime.directory, "opta-lmx-runtime.json"), "utf8"));
    expect(marker).toMatchObject({ lockHash: runtime.lockHash, versions: runtime.versions });
    const { stdout } = await promisify(execFile)(runtime.python, [
      "-c",
      "import lmx_tiny; print(lmx_tiny.__file__)",
    ]);
    expect(stdout.startsWith(runtime.directory)).toBe(true);
    const again: RuntimeProgress[] = [];
    expect(await ensure((event) => again.push(event))).toEqual(runtime);
    expect(again).toEqual([]);
    expect(await listRuntimes(room.runtimes)).toEqual([runtime]);
  });

  it("stands beside the one of another lock", async () => {
    const before = await ensure();
    await room.lockPackage("MLX = '2.0'\n");
    const after = await ensure();
    expect([before.versions.mlx, after.versions.mlx]).toEqual(["1.0", "2.0"]);
    expect(await listRuntimes(room.runtimes)).toHaveLength(2);
  });

  it("is built again when its Python was uninstalled", async () => {
    const runtime = await ensure();
    await rm(runtime.python);
    await symlink("/nowhere/python3.11", runtime.python);
    expect(await ensure()).toEqual(runtime);
    expect(await room.names()).toEqual([runtime.lockHash]);
  });

  it("is not there without its marker, or when its Python has become another version", async () => {
    const place = await runtimePlace(room.runtimes, room.lockFile, room.environment);
    await mkdir(join(place.directory, "bin"), { recursive: true });
    const python = join(place.directory, "bin", "python");
    const facts = {
      implementation: "cpython",
      platform: "linux",
      machine: "x86_64",
      system: "",
      freeThreaded: false,
    };
    const answer = JSON.stringify({ ...facts, executable: python, version: "3.13.1" });
    await writeFile(python, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
    expect(await locateRuntime(place, room.environment)).toBeNull();
    const versions = (version: string) => JSON.stringify({ python: version, mlx: "1.0", mlx_lm: "1.0" });
    await writeMarker(place.directory, place.lockHash, versions("3.13.0"));
    expect(await locateRuntime(place, room.environment)).toMatchObject({ python });
    // A machine too busy to answer is no reason to build what stands anew.
    expect(
      await locateRuntime(place, room.environment, async () => ({ kind: "later" }) as const),
    ).toMatchObject({ python });
    await writeMarker(place.directory, place.lockHash, versions("3.12.9"));
    expect(await locateRuntime(place, room.environment)).toBeNull();
  });
});

describe("several processes", () => {
  it("build once when they ask at the same time", async () => {
    const askers = [room.start(), room.start()];
    const said = await Promise.all(askers.map((asker) => asker.ended));
    const built = said.map((events) => events.some(({ kind }) => kind === "done"));
    expect(built.toSorted()).toEqual([false, true]);
    const builder = askers[built.indexOf(true)];
    expect(said[built.indexOf(false)]).toContainEqual({ kind: "waiting", pid: builder?.pid });
    for (const events of said) expect(events.at(-1)?.kind).toBe("runtime");
  });

  it("repair what one left that was killed half-way", async () => {
    const victim = room.start();
    await victim.says(installing);
    victim.kill("SIGKILL");
    await victim.ended;
    expect((await room.names()).some((name) => name.includes(".building-"))).toBe(true);
    const runtime = await ensure();
    expect(await room.names()).toEqual([runtime.lockHash]);
  });
});

describe("a build that cannot finish leaves nothing and says", () => {
  afterEach(async () => {
    const left = await room.names().catch(() => []);
    expect(left.filter((name) => RUNTIME_NAME.test(name) || name.includes(".building-"))).toEqual([]);
  });

  it("that it was stopped", async () => {
    const asker = room.start();
    await asker.says(installing);
    asker.kill("SIGINT");
    expect((await asker.ended).at(-1)).toMatchObject({ kind: "error", error: { kind: "aborted" } });
  });

  it("that the network is missing, as uv tells it", async () => {
    await room.putOnPath("uv", "fake-uv-without-network.sh");
    expect(await failure()).toMatchObject({
      kind: "network",
      nextStep: expect.stringContaining("HTTPS_PROXY"),
    });
  });

  it("that the network is missing, as pip tells it", async () => {
    const unreachable = "http://127.0.0.1:9/simple";
    Object.assign(room.environment, { PIP_INDEX_URL: unreachable, PIP_RETRIES: "1", PIP_FIND_LINKS: "" });
    delete room.environment.PIP_NO_INDEX;
    expect(await failure()).toMatchObject({ kind: "network" });
  });

  it("that a package is not the locked one", async () => {
    await room.lock(`lmx-tiny==1.0 --hash=sha256:${"0".repeat(64)}`);
    expect(await failure()).toMatchObject({ kind: "hash-mismatch" });
  });

  it("that there is no package for this machine", async () => {
    await room.lock(`lmx-absent==1.0 --hash=sha256:${"0".repeat(64)}`);
    expect(await failure()).toMatchObject({ kind: "no-wheel" });
  });

  it("that the packages do not work", async () => {
    await room.lockPackage("raise SystemError('bad CPU')\n");
    expect(await failure()).toMatchObject({
      kind: "broken-import",
      message: expect.stringContaining("bad CPU"),
    });
  });

  it("that there is no Python", async () => {
    room.environment.PATH = "/nowhere";
    expect(await failure()).toMatchObject({ kind: "no-python" });
  });

  it("that the directory cannot be made", async () => {
    await writeFile(room.runtimes, "a file in the way");
    expect(await failure()).toMatchObject({ kind: "unknown", message: expect.stringContaining("EEXIST") });
  });

  it.skipIf(!canMount)(
    "that the disk is full (real file system of 6 MB; needs the right to mount)",
    async () => {
      await mkdir(room.runtimes);
      const mount = `/bin/mount -t tmpfs -o size=6m tmpfs '${room.runtimes}' && exec "$@"`;
      const asker = room.start(["/usr/bin/unshare", "-m", "/bin/sh", "-c", mount, "sh"]);
      expect((await asker.ended).at(-1)).toMatchObject({ kind: "error", error: { kind: "disk-full" } });
    },
  );
});
