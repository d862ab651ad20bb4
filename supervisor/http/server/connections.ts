import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { admitConnection } from "../../policy/requests/connection-limit.ts";

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Came when every place was taken. */
  isLate: boolean;
  /** Requests on it that are not over: a client may send one before it has the last one's answer. */
  asked: number;
}

/** What there is of connections. */
export interface ConnectionCount {
  readonly open: number;
  readonly limit: number;
}

/**
 * Every connection of the port, as many as the process has descriptors for. At the limit a newcomer takes the place of
 * a connection on which nothing is asked, first of those of the address that has most; when there is none either, probes
 * and operators are still answered, on places of their own.
 */
export class Connections {
  readonly #limit: number;
  readonly #onRefused: () => void;
  readonly #open = new Map<Socket, Connection>();
  /** Nothing is asked on them, for the longest time first. */
  readonly #idle = new Set<Connection>();
  readonly #perAddress = new Map<string, number>();

  /** @param onRefused told of each connection that is dropped for want of a place, its own or another's */
  constructor(limit: number, onRefused: () => void = () => {}) {
    this.#limit = limit;
    this.#onRefused = onRefused;
  }

  get count(): ConnectionCount {
    return { open: this.#open.size, limit: this.#limit };
  }

  /** A connection was made. It may be gone when this returns. */
  admit(socket: Socket): void {
    const admission = admitConnection(this.#open.size, this.#limit, () => this.#firstToGo());
    switch (admission.kind) {
      case "drop":
        this.#refuse(socket);
        return;
      case "replace":
        this.#forget(admission.idle);
        this.#refuse(admission.idle.socket);
        break;
      case "accept":
      case "accept-late":
        break;
      default:
        admission satisfies never;
    }
    this.#take({
      socket,
      address: socket.remoteAddress ?? "",
      isLate: admission.kind === "accept-late",
      asked: 0,
    });
  }

  /** A request came on a connection, which is busy until `response` is over. It may have to wait for its turn. */
  asked({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.asked += 1;
    this.#idle.delete(connection);
    response.once("close", () => {
      connection.asked -= 1;
      if (connection.asked === 0 && this.#open.has(socket)) this.#idle.add(connection);
    });
  }

  /** Whether only a probe or an operator may be answered on a connection now. */
  isLate(socket: Socket): boolean {
    const connection = this.#open.get(socket);
    // Replaced while its request was on the way.
    if (connection === undefined) return true;
    connection.isLate &&= this.#open.size > this.#limit;
    return connection.isLate;
  }

  #take(connection: Connection): void {
    const { socket, address } = connection;
    this.#open.set(socket, connection);
    this.#idle.add(connection);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    socket.once("close", () => this.#forget(connection));
  }

  #forget(connection: Connection): void {
    if (!this.#open.delete(connection.socket)) return;
    this.#idle.delete(connection);
    const others = (this.#perAddress.get(connection.address) ?? 1) - 1;
    if (others > 0) this.#perAddress.set(connection.address, others);
    else this.#perAddress.delete(connection.address);
  }

  #refuse(socket: Socket): void {
    socket.destroy();
    this.#onRefused();
  }

  #firstToGo(): Connection | null {
    const [crowded] = [...this.#perAddress].reduce((most, one) => (one[1] > most[1] ? one : most), ["", 0]);
    let oldest: Connection | null = null;
    for (const connection of this.#idle) {
      if (connection.address === crowded) return connection;
      oldest ??= connection;
    }
    return oldest;
  }
}
