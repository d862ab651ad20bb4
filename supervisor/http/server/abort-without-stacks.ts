import type { Socket } from "node:net";

/**
 * When a connection closes, Node ends each request on it that was parsed and not answered with an error of its own. Of
 * two thousand requests that came ahead of their answers, the stacks of those errors take a tenth of a second.
 */
export function abortWithoutStacks(socket: Socket): void {
  let usual = Error.stackTraceLimit;
  // All listeners of `close` run one after the other: Node's, which ends the requests, stands between these two.
  socket.prependOnceListener("close", () => {
    usual = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
  });
  socket.once("close", () => {
    Error.stackTraceLimit = usual;
  });
}
