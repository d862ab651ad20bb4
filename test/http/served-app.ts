import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type Listener, type ListenOptions, listen } from "../../supervisor/http/server/listen.ts";
import { type TestApp, type TestAppOptions, testApp } from "./test-app.ts";

export interface ServedApp extends TestApp {
  readonly listener: Listener;
}

/** The test app on a real port, closed with the test. */
export async function serve(options: TestAppOptions & Partial<ListenOptions> = {}): Promise<ServedApp> {
  const served = testApp(options);
  const listener = await listen(served.app, { host: "127.0.0.1", port: 0, ...options });
  onTestFinished(() => listener.close(0));
  return { ...served, listener };
}

/** A raw connection that keeps what it receives: for bytes no HTTP client would send. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<string>;
  #received = "";
  #waiting: { text: string; resolve: () => void }[] = [];

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve(this.#received)));
    this.socket.on("data", (data) => {
      this.#received += data.toString("latin1");
      this.#waiting = this.#waiting.filter(({ text, resolve }) => {
        const found = this.#received.includes(text);
        if (found) resolve();
        return !found;
      });
    });
  }

  get received(): string {
    return this.#received;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Resolves when `text` was received. */
  async until(text: string): Promise<void> {
    if (this.#received.includes(text)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ text, resolve });
    await promise;
  }
}

/** A request as it stands on the wire; a header given as "" is left out. */
export function rawPost(path: string, body: string, headers: Record<string, string> = {}): string {
  const all = {
    host: "127.0.0.1",
    "content-type": "application/json",
    "content-length": String(body.length),
    ...headers,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}
