import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { acquireLock, LockHeldError } from "../../supervisor/host/lock-file.ts";
import { processStartTime } from "../../supervisor/host/process-start-time.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const STARTER = join(import.meta.dirname, "..", "fixtures", "host", "takes-the-lock.ts");

const lockPath = async () => join(await temporaryDirectory(), "state", "supervisor.lock");

interface Starter {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  go(): Promise<string>;
  kill(): Promise<void>;
}

/** A process that waits for the word to take the lock. */
async function starter(path: string): Promise<Starter> {
  const child = spawn(process.execPath, [STARTER, path], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  onTestFinished(kill);
  expect(await next()).toBe("ready");
  return {
    process: child,
    go: async () => {
      child.stdin.write("go\n");
      return await next();
    },
    kill,
  };
}

async function holder(path: string): Promise<{ pid: number; started: string; token: string }> {
  return JSON.parse(await readFile(path, "utf8"));
}

describe("the lock file", () => {
  it("as a pipe is refused and not waited for", async () => {
    const path = join(await temporaryDirectory(), "supervisor.lock");
    execFileSync("mkfifo", [path]);
    await expect(acquireLock(path)).rejects.toThrow("is a named pipe, expected a regular file");
  });

  it("names its holder, is given back, and leaves nothing behind", async () => {
    const path = await lockPath();
    const lock = await acquireLock(path);
    expect(await holder(path)).toMatchObject({
      pid: process.pid,
      started: await processStartTime(process.pid),
    });
    await lock.release();
    await lock.release();
    expect(await readdir(join(path, ".."))).toEqual([]);
    await (await acquireLock(path)).release();
  });

  it("refuses a second holder, naming the first", async () => {
    const path = await lockPath();
    const first = await starter(path);
    expect(await first.go()).toBe("won");
    const refused = await acquireLock(path).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(LockHeldError);
    expect((refused as LockHeldError).pid).toBe(first.process.pid);
    expect((refused as LockHeldError).message).toContain(`pid ${first.process.pid}`);
    expect((await holder(path)).pid).toBe(first.process.pid);
  });

  it("refuses a second holder in the same process", async () => {
    const path = await lockPath();
    await acquireLock(path);
    await expect(acquireLock(path)).rejects.toThrow(LockHeldError);
  });

  it("is taken over from a process that was killed", async () => {
    const path = await lockPath();
    const first = await starter(path);
    expect(await first.go()).toBe("won");
    await first.kill();
    await acquireLock(path);
    expect((await holder(path)).pid).toBe(process.pid);
  });

  it("is taken over when the pid lives but belongs to another process now", async () => {
    const path = await lockPath();
    await (await acquireLock(path)).release();
    await writeFile(
      path,
      JSON.stringify({ pid: process.ppid, started: "long ago", token: "00112233445566aa" }),
    );
    await acquireLock(path);
    expect((await holder(path)).pid).toBe(process.pid);
  });

  it.each(["", "garbage", "{}", '{"pid":-1,"started":"x","token":"00112233445566aa"}'])(
    "is taken over when it holds nonsense: %j",
    async (content) => {
      const path = await lockPath();
      await (await acquireLock(path)).release();
      await writeFile(path, content);
      await acquireLock(path);
      expect((await holder(path)).pid).toBe(process.pid);
      expect(await readdir(join(path, ".."))).toEqual(["supervisor.lock"]);
    },
  );

  it("is taken over when whoever was taking it over died half-way", async () => {
    const path = await lockPath();
    await (await acquireLock(path)).release();
    const dead = (token: string) => JSON.stringify({ pid: 999_999_999, started: "x", token });
    await writeFile(path, dead("aaaaaaaaaaaaaaaa"));
    await writeFile(`${path}.after-aaaaaaaaaaaaaaaa`, dead("bbbbbbbbbbbbbbbb"));
    await writeFile(`${path}.own-bbbbbbbbbbbbbbbb`, dead("bbbbbbbbbbbbbbbb"));
    await acquireLock(path);
    expect((await holder(path)).pid).toBe(process.pid);
    expect(await readdir(join(path, ".."))).toEqual(["supervisor.lock"]);
  });

  it("is not given back by one who no longer has it", async () => {
    const path = await lockPath();
    const lock = await acquireLock(path);
    const other = JSON.stringify({ pid: 1, started: "x", token: "cccccccccccccccc" });
    await writeFile(path, other);
    await lock.release();
    expect(await readFile(path, "utf8")).toBe(other);
  });

  it("says what is wrong when the directory cannot be made", async () => {
    const path = join(await temporaryDirectory(), "file");
    await writeFile(path, "");
    await expect(acquireLock(join(path, "supervisor.lock"))).rejects.toThrow(/ENOTDIR|EEXIST/);
  });
});

describe("starters at once", () => {
  it("from a stale lock exactly one wins, every time, and the others name it or one who was before them", async () => {
    const path = await lockPath();
    for (let round = 0; round < 6; round += 1) {
      const starters = await Promise.all(Array.from({ length: 5 }, () => starter(path)));
      const answers = await Promise.all(starters.map((one) => one.go()));
      expect(answers.filter((answer) => answer === "won")).toHaveLength(1);
      const winner = starters[answers.indexOf("won")];
      expect((await holder(path)).pid).toBe(winner?.process.pid);
      // The dead winner's lock is the next round's stale one.
      await Promise.all(starters.map((one) => one.kill()));
    }
  });

  it("inside one process, from a stale lock, exactly one wins", async () => {
    const path = await lockPath();
    await (await acquireLock(path)).release();
    for (let round = 0; round < 30; round += 1) {
      await writeFile(
        path,
        JSON.stringify({ pid: 999_999_999, started: "x", token: `${round}`.padStart(16, "0") }),
      );
      const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => acquireLock(path)));
      const won = attempts.filter((attempt) => attempt.status === "fulfilled");
      expect(won).toHaveLength(1);
      await won[0]?.value.release();
    }
  });
});

describe("the start time of a process", () => {
  it("stays the same while it lives and differs from that of a later one", async () => {
    expect(await processStartTime(process.pid)).toBe(await processStartTime(process.pid));
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    await once(child, "spawn");
    expect(await processStartTime(child.pid!)).not.toBe(await processStartTime(process.pid));
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await processStartTime(child.pid!)).toBeNull();
  });

  it("is found without /proc as well", async () => {
    expect(await processStartTime(process.pid, "darwin")).toMatch(/\d\d:\d\d:\d\d/);
    expect(await processStartTime(999_999_999, "darwin")).toBeNull();
  });
});
