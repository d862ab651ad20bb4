import { chmod } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import type { App, Door } from "../app-context.ts";
import { abortWithoutStacks } from "./abort-without-stacks.ts";
import { answerBadHttp, type BadHttp, connectionErrorResponse, tooManyWaiting } from "./connection-error.ts";
import { Connections } from "./connections.ts";
import { discardRest } from "./discard-rest.ts";
import { RequestTurns } from "./request-turns.ts";

interface ConnectionLimits {
  /** A client that has not sent its headers by then is cut off, milliseconds. */
  readonly headersTimeoutMs?: number;
  /** A client that has not sent its whole request by then is cut off, milliseconds. Answers may take any time. */
  readonly requestTimeoutMs?: number;
  /** A client that has taken nothing of what waits for it for this long is cut off, milliseconds. */
  readonly unreadTimeoutMs?: number;
  /** Told of everything that was refused before it was a request. Must not throw. */
  readonly onBadHttp?: (refused: BadHttp) => void;
  /** Who may connect; default: everybody. */
  readonly connections?: Connections;
}

export interface ListenOptions extends ConnectionLimits {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** Something that accepts connections. */
export interface OpenDoor {
  /** Takes no new connections, ends idle ones, gives busy ones `graceMs` and then cuts them. Resolves when all are gone. */
  close(graceMs?: number): Promise<void>;
}

export interface Listener extends OpenDoor {
  readonly url: string;
  readonly port: number;
}

const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 300_000;
const UNREAD_TIMEOUT_MS = 300_000;
/** Longer than clients keep idle connections, so that they never write into one that is just being closed. */
const IDLE_CONNECTION_MS = 75_000;
const CLOSE_GRACE_MS = 1_000;
/** Of commands at once. The limit of the port leaves descriptors for these, and no program shall take all of them. */
const SOCKET_CONNECTIONS = 32;

/**
 * Serves the app on a TCP port.
 * @throws Error with the system's `code`, such as EADDRINUSE, and a message that names the port
 */
export async function listen(app: App, options: ListenOptions): Promise<Listener> {
  const server = createHttpServer(app, "port", options);
  await bindPort(server, options);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, ...closing(server) };
}

/**
 * Serves the app on a unix socket that only this user can connect to: whoever comes in through it is the operator.
 * @param path where nothing is yet; removed on closing
 * @throws Error with the system's `code`, such as EADDRINUSE, EINVAL for a path that is too long
 */
export async function listenOnSocket(app: App, path: string): Promise<OpenDoor> {
  const server = createHttpServer(app, "admin_socket", { connections: new Connections(SOCKET_CONNECTIONS) });
  await bindSocket(server, path);
  return closing(server);
}

function createHttpServer(app: App, door: Door, options: ConnectionLimits): Server {
  const {
    headersTimeoutMs = HEADERS_TIMEOUT_MS,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    unreadTimeoutMs = UNREAD_TIMEOUT_MS,
    onBadHttp = () => {},
    connections = new Connections(Number.POSITIVE_INFINITY),
  } = options;
  const fetch = (request: Request, { incoming, outgoing }: HttpBindings) =>
    app.fetch(request, { incoming, outgoing, door, isLate: connections.isLate(incoming.socket) });
  const listener = getRequestListener((request, bindings) => fetch(request, bindings as HttpBindings), {
    // The stock clean-up cuts the connection of a refused upload after 500 ms, often before the answer was read.
    autoCleanupIncoming: false,
    errorHandler: (thrown) => connectionErrorResponse(thrown, onBadHttp),
  });
  const turns = new RequestTurns();
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(headersTimeoutMs, 5_000),
      keepAliveTimeout: IDLE_CONNECTION_MS,
      // Finds clients that vanished without closing, such as a laptop put to sleep.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      // Its absence is answered in our envelope.
      requireHostHeader: false,
    },
    (request, response) => {
      // The system hands over two thousand requests at once: those behind a refusal must cost as good as nothing.
      if (turns.isRefused(request.socket)) return;
      const begin = () => {
        response.setTimeout(unreadTimeoutMs, () => cutUnread(request));
        discardRest(request, response);
        // Once closing, a connection goes with its last answer instead of waiting for another request.
        response.once("close", () => setImmediate(() => server.listening || server.closeIdleConnections()));
        void listener(request, response);
      };
      const refuse = () => {
        abortWithoutStacks(request.socket);
        answerBadHttp(tooManyWaiting(), request.socket, onBadHttp);
      };
      connections.asked(request, response);
      turns.take(request, response, begin, refuse);
    },
  );
  server.on("connection", (socket) => connections.admit(socket));
  server.on("clientError", (error, socket) => answerBadHttp(error, socket, onBadHttp));
  return server;
}

function bindPort(server: Server, { host, port }: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Stays for good: an error of a later accept must not end the process.
  server.on("error", (error: NodeJS.ErrnoException) => {
    const problem = error.code === "EADDRINUSE" ? "is already in use" : `cannot be opened (${error.code})`;
    reject(
      Object.assign(new Error(`Port ${port} on ${host} ${problem}.`, { cause: error }), { code: error.code }),
    );
  });
  server.listen(port, host, resolve);
  return promise;
}

async function bindSocket(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Stays for good: an error of a later accept must not end the process.
  server.on("error", reject);
  // The file is made during this call: never, not even for a moment, may others connect. 0177 would do, but files and
  // directories that other threads make meanwhile get this mask too.
  const before = process.umask(0o077);
  try {
    server.listen(path, resolve);
  } finally {
    process.umask(before);
  }
  await promise;
  await chmod(path, 0o600);
}

/** Nothing has moved for long: fine while an answer is being made, but not when it waits to be read. */
function cutUnread({ socket }: IncomingMessage): void {
  if (socket.writableLength > 0) socket.destroy();
}

function closing(server: Server): OpenDoor {
  return { close: (graceMs = CLOSE_GRACE_MS) => close(server, graceMs) };
}

async function close(server: Server, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  server.close(() => resolve());
  server.closeIdleConnections();
  await promise;
  clearTimeout(timer);
}
