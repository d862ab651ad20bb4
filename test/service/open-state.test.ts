import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { access, chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { acquireLock, LockHeldError } from "../../supervisor/host/lock-file.ts";
import { NO_FAILURES } from "../../supervisor/policy/lifecycle/failure-record.ts";
import { quarantineByOperator } from "../../supervisor/policy/lifecycle/quarantine.ts";
import { openState, type State } from "../../supervisor/service/open-state.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const log = pino({ level: "silent" });
const KEPT_OUT = quarantineByOperator(NO_FAILURES, "by hand", 1).record;

function pathsIn(directory: string) {
  return loadConfig({ env: { OPTA_LMX_HOME: directory }, home: directory }).paths;
}

async function opened(directory: string): Promise<State> {
  const state = await openState(pathsIn(directory), log);
  let closed: Promise<void> | null = null;
  const { close } = state;
  const once = { ...state, close: () => (closed ??= close()) };
  onTestFinished(once.close);
  return once;
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function quarantine(state: State, key = "k"): Promise<void> {
  await state.quarantine.put({ key, model: "m", changedAt: 1, record: KEPT_OUT });
}

/**
 * Makes a directory read-only until the returned function is called; null: this system does not let us. The
 * administrator may write whatever its mode.
 */
async function unwritable(directory: string): Promise<(() => Promise<void>) | null> {
  let isUndone = false;
  const undoOnce = (undo: () => unknown) => {
    const once = async () => {
      if (!isUndone) await undo();
      isUndone = true;
    };
    onTestFinished(once);
    return once;
  };
  if (process.geteuid?.() !== 0) {
    await chmod(directory, 0o555);
    return undoOnce(() => chmod(directory, 0o755));
  }
  try {
    execFileSync("mount", ["--bind", directory, directory], { stdio: "ignore" });
    const undo = undoOnce(() => execFileSync("umount", [directory]));
    execFileSync("mount", ["-o", "remount,ro,bind", directory], { stdio: "ignore" });
    return undo;
  } catch {
    return null;
  }
}

describe("the state directory", () => {
  it("is made, private and locked, and everything in it works", async () => {
    const directory = join(await temporaryDirectory(), "deep", "state");
    const state = await opened(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    await expect(acquireLock(pathsIn(directory).lockFile)).rejects.toBeInstanceOf(LockHeldError);
    expect(state.degraded()).toEqual([]);
    expect(state.isHistoryLost).toBe(false);
    expect(state.scratch.startsWith(directory)).toBe(true);
    await writeFile(join(state.scratch, "x"), "");
    await quarantine(state);
    await state.close();
    expect(await exists(state.scratch)).toBe(false);
    expect((await opened(directory)).quarantine.get("k")).toEqual(KEPT_OUT);
  });

  it("belongs to one supervisor: a second one is told who has it, and touches nothing", async () => {
    const directory = await temporaryDirectory();
    const state = await opened(directory);
    await writeFile(join(state.scratch, "of a worker"), "");
    const before = (await readdir(directory)).toSorted();
    await expect(openState(pathsIn(directory), log)).rejects.toMatchObject({
      constructor: LockHeldError,
      pid: process.pid,
    });
    expect((await readdir(directory)).toSorted()).toEqual(before);
    expect(await readdir(state.scratch)).toEqual(["of a worker"]);
  });

  it("belongs to it on a disk that cannot be written as well", async ({ skip }) => {
    const directory = await temporaryDirectory();
    await opened(directory);
    skip((await unwritable(directory)) === null, "nothing can be made read-only here");
    await expect(openState(pathsIn(directory), log)).rejects.toBeInstanceOf(LockHeldError);
  });

  it("is given back at the end", async () => {
    const directory = await temporaryDirectory();
    await (await opened(directory)).close();
    await (await acquireLock(pathsIn(directory).lockFile)).release();
  });

  it("with a pipe in the place of every file opens all the same, in memory, and names each", async () => {
    const directory = await temporaryDirectory();
    const {
      registryFile,
      auditFile,
      quarantineFile,
      startsFile,
      intentsFile,
      workersFile,
      dossiersDirectory,
    } = pathsIn(directory);
    await mkdir(dossiersDirectory);
    const files = [registryFile, auditFile, quarantineFile, startsFile, intentsFile, workersFile];
    execFileSync("mkfifo", [...files, join(dossiersDirectory, "pipe.json"), `${quarantineFile}.bak`]);
    const state = await opened(directory);
    await quarantine(state);
    expect(state.quarantine.get("k")).toEqual(KEPT_OUT);
    expect(state.isHistoryLost).toBe(true);
    expect(state.degraded().toSorted()).toEqual(
      files.toSorted().map((file) => expect.stringContaining(`${file} is a named pipe`)),
    );
  });

  it("is rid of what an earlier run left in its scratch", async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, "tmp", "worker-1"), { recursive: true });
    expect(await readdir((await opened(directory)).scratch)).toEqual([]);
  });
});

describe("a state directory that cannot be written", () => {
  it("leaves everything in memory, says so, and gives workers a place elsewhere", async ({ skip }) => {
    const directory = await temporaryDirectory();
    skip((await unwritable(directory)) === null, "nothing can be made read-only here");
    const state = await opened(directory);
    expect(state.degraded()[0]).toContain(`${directory} cannot be written`);
    expect(state.scratch.startsWith(directory)).toBe(false);
    await writeFile(join(state.scratch, "x"), "");
    await quarantine(state);
    expect(state.quarantine.get("k")).toEqual(KEPT_OUT);
    await state.journal.begin({ startedAt: 1, bootId: null, pid: 1, mode: "normal" });
    await state.intents.begin({ key: "k", pid: 1, bootId: null, at: 1 });
    expect(state.isHistoryLost).toBe(false);
    await state.close();
    expect(await exists(state.scratch)).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });

  it("is not written later either: somebody else may have it by then", async ({ skip }) => {
    const directory = await temporaryDirectory();
    const makeWritable = await unwritable(directory);
    if (makeWritable === null) return skip("nothing can be made read-only here");
    const state = await opened(directory);
    expect(state.isLocked).toBe(false);
    await makeWritable();
    await quarantine(state);
    await state.close();
    expect(await readdir(directory)).toEqual([]);
  });

  it("but for its place for temporary files, which then is elsewhere: the lock stays", async ({ skip }) => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, "tmp"));
    await writeFile(join(directory, "tmp", "of somebody else"), "");
    skip((await unwritable(join(directory, "tmp"))) === null, "nothing can be made read-only here");
    const state = await opened(directory);
    expect(state.isLocked).toBe(true);
    expect(state.degraded()[0]).toContain("tmp cannot be used");
    expect(state.scratch.startsWith(directory)).toBe(false);
    await expect(acquireLock(pathsIn(directory).lockFile)).rejects.toBeInstanceOf(LockHeldError);
    await quarantine(state);
    await state.close();
    expect(await readdir(directory)).toContain("quarantine.json");
  });

  it("is still read: who was kept out stays out", async ({ skip }) => {
    const directory = await temporaryDirectory();
    const before = await opened(directory);
    await quarantine(before);
    await before.close();
    skip((await unwritable(directory)) === null, "nothing can be made read-only here");
    const state = await opened(directory);
    expect(state.degraded()[0]).toContain("cannot be written");
    expect(state.quarantine.get("k")).toEqual(KEPT_OUT);
  });

  it("and cannot be made either", async ({ skip }) => {
    const above = await temporaryDirectory();
    skip((await unwritable(above)) === null, "nothing can be made read-only here");
    const state = await opened(join(above, "state"));
    expect(state.degraded()[0]).toContain("cannot be written");
    await quarantine(state);
    expect(state.quarantine.get("k")).toEqual(KEPT_OUT);
  });

  it.runIf(existsSync("/sys/fs"))("and belongs to nobody, not even to the administrator", async () => {
    const state = await opened("/sys/opta-lmx-test/state");
    expect(state.degraded()[0]).toContain("cannot be written");
  });

  it("because a file is in its place is an error of its own", async () => {
    const directory = await temporaryDirectory();
    const stateDirectory = join(directory, "file");
    await writeFile(stateDirectory, "");
    const lockFile = join(stateDirectory, "supervisor.lock");
    const paths = { ...pathsIn(directory), stateDirectory, lockFile };
    await expect(openState(paths, log)).rejects.toThrow("ENOTDIR");
  });
});

describe("a file that cannot be read any more", () => {
  it.each([
    ["quarantineFile", true],
    ["registryFile", true],
    ["auditFile", false],
    ["workersFile", false],
    ["intentsFile", true],
  ] as const)("%s, without a backup: nothing is loaded unasked: %s", async (file, isHistoryLost) => {
    const directory = await temporaryDirectory();
    await writeFile(pathsIn(directory)[file], '{"schema": 1, "rows": [{"key"');
    const state = await opened(directory);
    expect(state.isHistoryLost).toBe(isHistoryLost);
    expect((await readdir(directory)).some((name) => name.includes(".corrupt-"))).toBe(true);
  });

  it("is no reason to forget where the backup tells the same", async () => {
    const directory = await temporaryDirectory();
    const before = await opened(directory);
    await quarantine(before, "a");
    await quarantine(before, "b");
    await before.close();
    await writeFile(pathsIn(directory).quarantineFile, "\0\0\0\0");
    const state = await opened(directory);
    expect(state.isHistoryLost).toBe(false);
    expect(state.quarantine.get("a")).toEqual(KEPT_OUT);
  });

  it("is remembered only for this start", async () => {
    const directory = await temporaryDirectory();
    await writeFile(pathsIn(directory).quarantineFile, "[]");
    const first = await opened(directory);
    expect(first.isHistoryLost).toBe(true);
    await first.close();
    expect((await opened(directory)).isHistoryLost).toBe(false);
  });
});
