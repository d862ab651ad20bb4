import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests a connection may have waiting behind the one that is being answered. Hardly any client sends a second one. */
export const MOST_WAITING = 16;

/**
 * The requests of a connection, one after the other. A client may send the next one before it has the last one's answer
 * (pipelining), and the system hands over two thousand of them at once: begun as they come, those of one connection
 * would keep everybody else waiting for seconds. Between two of them others have their turn.
 */
export class RequestTurns {
  /** Behind the one that is being answered. */
  readonly #waiting = new WeakMap<Socket, (() => void)[]>();
  readonly #refused = new WeakSet<Socket>();

  /** More waited on this connection than may: nothing on it is begun any more, and what comes is to be ignored. */
  isRefused(socket: Socket): boolean {
    return this.#refused.has(socket);
  }

  /**
   * @param begin called when everything before it is answered; never when the connection has gone by then
   * @param onTooMany called when the connection is refused
   */
  take(
    { socket }: IncomingMessage,
    response: ServerResponse,
    begin: () => void,
    onTooMany: () => void,
  ): void {
    const waiting = this.#waiting.get(socket);
    const beginThis = () => {
      response.once("close", () => setImmediate(() => this.#beginNext(socket)));
      begin();
    };
    if (waiting === undefined) {
      this.#waiting.set(socket, []);
      beginThis();
    } else if (waiting.length < MOST_WAITING) waiting.push(beginThis);
    else {
      this.#refused.add(socket);
      onTooMany();
    }
  }

  #beginNext(socket: Socket): void {
    if (this.isRefused(socket)) return;
    const begin = this.#waiting.get(socket)?.shift();
    if (begin === undefined || socket.destroyed) this.#waiting.delete(socket);
    else begin();
  }
}
