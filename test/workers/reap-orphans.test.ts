import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { pino } from "pino";
import { expect, it, onTestFinished, vi } from "vitest";
import { processCommand } from "../../supervisor/host/process-command.ts";
import { processStartTime } from "../../supervisor/host/process-start-time.ts";
import type { WorkerRow, WorkerTable } from "../../supervisor/store/worker-table.ts";
import { reapOrphans } from "../../supervisor/workers/reap-orphans.ts";

const log = pino({ level: "silent" });

/** What `sleep` takes for one more number. */
let tokens = 0;
const newToken = () => `61.${process.pid}${++tokens}`;

/** A process with this token in its command line. */
async function leftBehind(token: string): Promise<{ child: ChildProcess; row: WorkerRow }> {
  const child = spawn("sleep", ["60", token], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  await vi.waitFor(async () => expect(await processCommand(pid)).toContain(token));
  return { child, row: { pid, startTime: (await processStartTime(pid)) ?? "", token } };
}

function tableOf(...rows: WorkerRow[]) {
  let left: readonly WorkerRow[] = rows;
  const remove = async (token: string) => {
    left = left.filter((row) => row.token !== token);
  };
  const table = { rows: () => left, remove } as Partial<WorkerTable> as WorkerTable;
  return { table, left: () => left };
}

const lives = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

it("ends what an earlier start left behind, even when it is stopped, and forgets it", async () => {
  const [running, stopped] = [await leftBehind(newToken()), await leftBehind(newToken())];
  stopped.child.kill("SIGSTOP");
  const { table, left } = tableOf(running.row, stopped.row);
  const exits = [running, stopped].map(({ child }) => once(child, "exit"));
  await reapOrphans(table, log);
  expect((await Promise.all(exits)).map(([, signal]) => signal)).toEqual(["SIGKILL", "SIGKILL"]);
  expect(left()).toEqual([]);
});

it.each([
  ["whose start time is another", (row: WorkerRow) => ({ ...row, startTime: `${row.startTime}0` })],
  ["whose token is another", (row: WorkerRow) => ({ ...row, token: "0123456789abcdef" })],
])("spares a process %s: its pid was used again", async (_name, change) => {
  const { child, row } = await leftBehind(newToken());
  const { table, left } = tableOf(change(row));
  await reapOrphans(table, log);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(lives(child)).toBe(true);
  expect(left()).toEqual([]);
});

it("forgets a process that is gone", async () => {
  const { child, row } = await leftBehind(newToken());
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
  const { table, left } = tableOf(row);
  await reapOrphans(table, log);
  expect(left()).toEqual([]);
});

it("does nothing where nothing was left behind", async () => {
  const { table } = tableOf();
  await reapOrphans(table, log);
  expect(table.rows()).toEqual([]);
});
