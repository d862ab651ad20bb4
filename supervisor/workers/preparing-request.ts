import { RpcError } from "../rpc/peer.ts";

/**
 * Which request a worker prepares, as it says itself: believed only of one that was sent to it and is not answered. It
 * stays so when its client leaves, because the worker may be in the middle of it.
 */
export class PreparingRequest {
  readonly #unanswered = new Set<string>();
  #id: string | null = null;

  /** As it was sent to the worker; null: none is known. */
  get id(): string | null {
    return this.#id;
  }

  sent(requestId: string): void {
    this.#unanswered.add(requestId);
  }

  /** @returns false: the worker named a request that is not waiting for its preparation */
  begun(requestId: string | null): boolean {
    if (requestId !== null && !this.#unanswered.has(requestId)) return false;
    this.#id = requestId;
    return true;
  }

  /** @param error null: accepted. One that was cancelled is answered at once, whatever the worker does with it. */
  answered(requestId: string, error: unknown = null): void {
    this.#unanswered.delete(requestId);
    const isOver = error === null || (error instanceof RpcError && error.data.code !== "request_cancelled");
    if (isOver && this.#id === requestId) this.#id = null;
  }
}
