import { execFileSync } from "node:child_process";
import { appendFile, mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { LogFile, logFileIn, logFilesOf, workerLogIn } from "../../supervisor/host/log-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function logIn(directory: string, options: { fileBytes?: number; now?: () => number } = {}) {
  const problems: string[] = [];
  const path = logFileIn(directory);
  const log = new LogFile(path, { onProblem: (error) => problems.push(error.message), ...options });
  onTestFinished(() => log.close());
  return { path, log, problems };
}

it("appends to what is there, readable by its owner alone", async () => {
  const directory = join(await temporaryDirectory(), "logs");
  const { path, log } = await logIn(directory);
  log.write("one\n");
  log.write("two\n");
  await log.flush();
  const { log: later } = await logIn(directory);
  later.write("three\n");
  await later.flush();
  expect(await readFile(path, "utf8")).toBe("one\ntwo\nthree\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
});

it("makes room when it is full, and keeps five files and no more", async () => {
  const directory = await temporaryDirectory();
  const { path, log, problems } = await logIn(directory, { fileBytes: 10 });
  for (let index = 0; index < 9; index += 1) {
    log.write(`line ${index}\n`);
    await log.flush();
  }
  expect((await readdir(directory)).toSorted()).toEqual(
    logFilesOf(path).map((file) => file.slice(directory.length + 1)),
  );
  const texts = await Promise.all(logFilesOf(path).map((file) => readFile(file, "utf8")));
  expect(texts).toEqual(["line 8\n", "line 7\n", "line 6\n", "line 5\n", "line 4\n"]);
  expect(problems).toEqual([]);
});

it("a disk that refuses costs lines and one warning, and is tried again after a while", async () => {
  const directory = join(await temporaryDirectory(), "logs");
  await writeFile(directory, "in the way");
  let time = 0;
  const { path, log, problems } = await logIn(directory, { now: () => time });
  for (let index = 0; index < 3; index += 1) {
    log.write(`lost ${index}\n`);
    await log.flush();
  }
  time = 60_000;
  log.write("lost 3\n");
  await log.flush();
  expect(problems).toHaveLength(1);
  await rm(directory);
  log.write("still waiting\n");
  time = 120_000;
  log.write("back\n");
  await log.flush();
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: 40,
    lost: 5,
    msg: "lines of this log were lost",
  });
  expect(lines.slice(1)).toEqual(["back"]);
});

it("says how much was left out because the disk was slow", async () => {
  const { path, log } = await logIn(await temporaryDirectory());
  const line = `${"x".repeat(1024 * 1024 - 1)}\n`;
  for (let count = 0; count < 7; count++) log.write(line);
  await log.flush();
  log.write("later\n");
  await log.flush();
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  expect(lines.filter((text) => text !== line.trimEnd())).toEqual([
    expect.stringContaining('"lost":3,"msg":"lines of this log were lost"'),
    "later",
  ]);
});

it("a line that was cut by a full disk does not swallow the next", async () => {
  const directory = await temporaryDirectory();
  let time = 0;
  const { path, log } = await logIn(directory, { now: () => time });
  await mkdir(path);
  log.write("lost\n");
  await log.flush();
  await rm(path, { recursive: true });
  await appendFile(path, '{"half":');
  time = 60_000;
  log.write("whole\n");
  await log.flush();
  const lines = (await readFile(path, "utf8")).split("\n");
  expect(lines[0]).toBe('{"half":');
  expect(lines.at(-2)).toBe("whole");
});

it("a process that dies at once writes what waits", async () => {
  const directory = await temporaryDirectory();
  const { path, log } = await logIn(directory);
  log.write("last words\n");
  log.flushSync();
  await log.flush();
  expect(await readFile(path, "utf8")).toBe("last words\n");
});

it("opens the file again for a line that comes after, or while, it is closed", async () => {
  const { path, log } = await logIn(await temporaryDirectory());
  log.write("one\n");
  const closing = log.close();
  log.write("two\n");
  await closing;
  log.write("three\n");
  await log.flush();
  expect(await readFile(path, "utf8")).toBe("one\ntwo\nthree\n");
});

it("gives every model a log of its own, whatever its name", () => {
  const names = ["org/a", "org%2Fa", "org--a", "../../etc/passwd", "ü".repeat(300), `${"ü".repeat(299)}x`];
  const paths = names.map((name) => workerLogIn("/logs", name));
  expect(new Set(paths).size).toBe(names.length);
  for (const path of paths) {
    expect(dirname(path)).toBe("/logs/workers");
    expect(Buffer.byteLength(basename(path))).toBeLessThan(230);
  }
});

it("a pipe in its place is not waited for, whether somebody reads it or not", async () => {
  const directory = await temporaryDirectory();
  const { path, log, problems } = await logIn(directory);
  execFileSync("mkfifo", [path]);
  log.write("lost\n");
  await log.flush();
  expect(problems).toEqual([expect.stringContaining("ENXIO")]);
  // Open for both, so that opening it waits for nobody.
  const reader = await open(path, "r+");
  const { log: other, problems: told } = await logIn(directory);
  other.write("lost as well\n");
  await other.flush();
  other.flushSync();
  await reader.close();
  expect(told).toEqual([expect.stringContaining("is a named pipe, expected a regular file")]);
});
