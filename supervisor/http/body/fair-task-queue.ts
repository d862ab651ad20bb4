import { type Piscina, queueOptionsSymbol } from "piscina";
import { FairQueue } from "../../policy/requests/fair-queue.ts";

type TaskQueue = NonNullable<ConstructorParameters<typeof Piscina>[0]>["taskQueue"] & object;
type Task = Parameters<TaskQueue["push"]>[0];

/** What a task says to the queue. */
export const taskOptions = queueOptionsSymbol;

/** Tasks of a thread pool, whose owners take turns. */
export class FairTaskQueue implements TaskQueue {
  readonly #queue = new FairQueue<Task>();

  get size(): number {
    return this.#queue.size;
  }

  sizeOf(owner: string): number {
    return this.#queue.sizeOf(owner);
  }

  push(task: Task): void {
    this.#queue.push(ownerOf(task), task);
  }

  shift(): Task | null {
    return this.#queue.shift() ?? null;
  }

  remove(task: Task): void {
    this.#queue.remove(ownerOf(task), task);
  }
}

/** Tasks without an owner share one turn. */
function ownerOf(task: Task): string {
  const options = task[queueOptionsSymbol as keyof Task] as { readonly owner?: string } | null;
  return options?.owner ?? "";
}
