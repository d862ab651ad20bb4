import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { expect, it, onTestFinished, vi } from "vitest";
import { markedProcesses } from "../../supervisor/host/marked-processes.ts";

/** A shell that starts a `sleep`, both with this variable. */
async function twoWith(name: string, value: string): Promise<number> {
  const child = spawn("sh", ["-c", "sleep 60 & wait"], {
    stdio: "ignore",
    detached: true,
    env: { PATH: process.env.PATH, [name]: value },
  });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  onTestFinished(() => void process.kill(-pid, "SIGKILL"));
  return pid;
}

it("finds what was started with the variable, and what that has started, and nobody else", async () => {
  const [value, other] = [randomUUID(), randomUUID()];
  const pid = await twoWith("TEST_MARK", value);
  await twoWith("TEST_MARK", other);
  await vi.waitFor(async () => {
    const found = await markedProcesses([`TEST_MARK=${value}`]);
    expect(found).toContain(pid);
    expect(found).toHaveLength(2);
  }, 10_000);
});

it("does not take a command that names the variable for one that has it", async () => {
  const value = randomUUID();
  const child = spawn("sh", ["-c", "sleep 60; true", `TEST_MARK=${value}`], {
    stdio: "ignore",
    detached: true,
  });
  await once(child, "spawn");
  onTestFinished(() => void process.kill(-(child.pid ?? 0), "SIGKILL"));
  expect(await markedProcesses([`TEST_MARK=${value}`])).toEqual([]);
});

it("finds nobody when it is asked for nobody", async () => {
  expect(await markedProcesses([])).toEqual([]);
});
