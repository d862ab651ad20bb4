/**
 * A worker leads a session and group of its own: what it starts is in the group unless it goes out of its way, and is
 * ended with it. The group's number is the worker's pid, and the system gives that number to nobody while one member lives.
 */

/** Leaders whose groups have not been ended. */
const living = new Set<number>();

/** From now on the group ends when this process does, if it can still say so. */
export function holdGroup(leaderPid: number): void {
  if (living.size === 0) process.once("exit", endAll);
  living.add(leaderPid);
}

/** Ends everybody in the group, also when its leader is gone. */
export function endGroup(leaderPid: number): void {
  living.delete(leaderPid);
  if (living.size === 0) process.removeListener("exit", endAll);
  signalGroup(leaderPid, "SIGKILL");
}

export function signalGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal);
  } catch {
    // Nobody is in it any more, or on macOS only those who have ended.
  }
}

export function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went by itself.
  }
}

function endAll(): void {
  for (const leaderPid of living) signalGroup(leaderPid, "SIGKILL");
}
