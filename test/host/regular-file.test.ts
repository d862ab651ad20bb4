import { execFileSync } from "node:child_process";
import { appendFile, mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRegularFile, readRegularFile, readRegularFileSync } from "../../supervisor/host/regular-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const MOST_BYTES = 10_000;

const READERS = [
  ["at once", async (path: string) => readRegularFileSync(path, MOST_BYTES)],
  ["in pieces", (path: string) => readRegularFile(path, MOST_BYTES)],
] as const;

describe.each(READERS)("what is read %s", (_, read) => {
  it.each([0, 1, 4_096, 9_999, MOST_BYTES])("has all its %d bytes", async (bytes) => {
    const path = join(await temporaryDirectory(), "file");
    await writeFile(path, Buffer.alloc(bytes, "x"));
    expect((await read(path)).toString()).toBe("x".repeat(bytes));
  });

  it("is not longer than it may be, however large the hole in it", async () => {
    const path = join(await temporaryDirectory(), "file");
    await writeFile(path, "");
    await truncate(path, 1024 ** 4);
    await expect(read(path)).rejects.toThrow("expected at most 10000 bytes, got more");
  });

  it.skipIf(process.platform !== "linux")(
    "is a file of the kernel up to its end, though it has no size",
    async () => {
      expect((await read("/proc/self/status")).toString()).toContain("VmRSS");
      await expect(read("/proc/kallsyms")).rejects.toThrow("expected at most 10000 bytes, got more");
    },
  );

  it("is no pipe, no socket, no device and no directory, nor a link to one", async () => {
    const directory = await temporaryDirectory();
    const at = (name: string) => join(directory, name);
    execFileSync("mkfifo", [at("pipe")]);
    await symlink(at("pipe"), at("link"));
    await symlink("/dev/zero", at("zero"));
    await mkdir(at("room"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at("socket"), resolve));
    await expect(read(at("pipe"))).rejects.toThrow("is a named pipe, expected a regular file");
    await expect(read(at("link"))).rejects.toThrow("is a named pipe");
    await expect(read(at("zero"))).rejects.toThrow("is a device");
    await expect(read(at("room"))).rejects.toThrow("is a directory");
    await expect(read(at("socket"))).rejects.toThrow("is a socket");
    server.close();
  });

  it("is not there: the system says so", async () => {
    await expect(read(join(await temporaryDirectory(), "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

it("what grows while it is read ends at the most that is wanted", async () => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, "x");
  const handle = await openRegularFile(path);
  await appendFile(path, Buffer.alloc(2 * MOST_BYTES));
  await handle.close();
  await expect(readRegularFile(path, MOST_BYTES)).rejects.toThrow("got more");
});
