import { type Piscina, queueOptionsSymbol } from "piscina";

type TaskQueue = NonNullable<ConstructorParameters<typeof Piscina>[0]>["taskQueue"] & object;
type Task = Parameters<TaskQueue["push"]>[0];

/** What a task says to the queue. */
export const taskOptions = queueOptionsSymbol;

/** Tasks of a thread pool, one owner after the other: a client's hundred bodies delay another's by one. */
export class FairTaskQueue implements TaskQueue {
  /** The owner whose turn is next comes first. */
  readonly #byOwner = new Map<string, Task[]>();
  size = 0;

  push(task: Task): void {
    const owner = ownerOf(task);
    const waiting = this.#byOwner.get(owner);
    if (waiting === undefined) this.#byOwner.set(owner, [task]);
    else waiting.push(task);
    this.size += 1;
  }

  shift(): Task | null {
    for (const [owner, waiting] of this.#byOwner) {
      const task = waiting.shift();
      // Behind the others, if it has more.
      this.#byOwner.delete(owner);
      if (waiting.length > 0) this.#byOwner.set(owner, waiting);
      if (task === undefined) continue;
      this.size -= 1;
      return task;
    }
    return null;
  }

  remove(task: Task): void {
    const owner = ownerOf(task);
    const waiting = this.#byOwner.get(owner) ?? [];
    const index = waiting.indexOf(task);
    if (index === -1) return;
    waiting.splice(index, 1);
    if (waiting.length === 0) this.#byOwner.delete(owner);
    this.size -= 1;
  }
}

/** Tasks without an owner share one turn. */
function ownerOf(task: Task): string {
  const options = task[queueOptionsSymbol as keyof Task] as { readonly owner?: string } | null;
  return options?.owner ?? "";
}
