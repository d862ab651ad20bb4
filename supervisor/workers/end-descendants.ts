import { markedProcesses } from "../host/marked-processes.ts";
import { workerMark } from "./worker-command.ts";
import { endProcess } from "./worker-group.ts";

/** Somebody who starts processes faster than they are found is not waited for. */
const MOST_ROUNDS = 20;

/**
 * Ends what workers have left behind, also outside their groups: everything that was started with their tokens.
 * What has thrown its environment away and left the group is not found.
 * @returns how many were ended
 */
export async function endDescendants(tokens: readonly string[]): Promise<number> {
  const marks = tokens.map(workerMark);
  const ended = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const found = await markedProcesses(marks);
    if (found.length === 0) break;
    for (const pid of found) {
      ended.add(pid);
      endProcess(pid);
    }
  }
  return ended.size;
}
