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
  /** Behind the one that is being answered; null: there were too many, and nothing on this connection is begun any more. */
  readonly #waiting = new WeakMap<Socket, (() => void)[] | null>();

  /** More waited on this connection than may, and nothing that came behind them is looked at. */
  isRefused(socket: Socket): boolean {
    return this.#waiting.get(socket) === null;
  }

  /**
   * @param begin called when everything before it is answered; never when the connection has gone by then
   * @param onTooMany called once for a connection
   */
  take(
    { socket }: IncomingMessage,
    response: ServerResponse,
    begin: () => void,
    onTooMany: () => void,
  ): void {
    const waiting = this.#waiting.get(socket);
    if (waiting === null) return;
    const beginThis = () => {
      response.once("close", () => setImmediate(() => this.#beginNext(socket)));
      begin();
    };
    if (waiting === undefined) {
      this.#waiting.set(socket, []);
      beginThis();
    } else if (waiting.length < MOST_WAITING) waiting.push(beginThis);
    else {
      this.#waiting.set(socket, null);
      onTooMany();
    }
  }

  #beginNext(socket: Socket): void {
    const waiting = this.#waiting.get(socket);
    if (waiting === null) return;
    const begin = waiting?.shift();
    if (begin === undefined || socket.destroyed) this.#waiting.delete(socket);
    else begin();
  }
}
