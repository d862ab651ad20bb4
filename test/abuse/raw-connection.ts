import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** More of an answer is not kept. */
const KEPT_CHARACTERS = 16 * 1024;

/** A connection on which a test writes what it wants. */
export class RawConnection {
  readonly #socket: Socket;
  /** What has come, up to a length. */
  text = "";
  /** When the other side has closed it, or it broke. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (this.text.length < KEPT_CHARACTERS) this.text += chunk.toString("latin1");
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** @throws Error when nobody takes the connection */
  static async open(url: string): Promise<RawConnection> {
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  /** Status of the answer; null: none has come. */
  get status(): number | null {
    const found = /^HTTP\/1\.1 (\d{3}) /.exec(this.text)?.[1];
    return found === undefined ? null : Number(found);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Resolves when the system has taken it, or the connection is gone. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.isOpen && !this.#socket.write(data))
      await Promise.race([once(this.#socket, "drain").catch(() => {}), this.closed]);
  }

  /** Takes no more of what comes. */
  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The head of a chat request whose body has this length. */
export function chatRequestHead(bytes: number, path = "/v1/chat/completions"): string {
  const lines = ["host: localhost", "content-type: application/json", `content-length: ${bytes}`];
  return `POST ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** A whole chat request, as it goes over the wire. */
export function chatRequest(body: object): string {
  const text = JSON.stringify(body);
  return `${chatRequestHead(Buffer.byteLength(text))}${text}`;
}
