import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";

/** How long the rest of a refused upload is read and thrown away, so that its sender gets to read the answer. */
const DISCARD_LIMIT_MS = 30_000;

/**
 * A sender that is still uploading when it is answered reads the answer only if its bytes keep being taken: what arrives
 * at a closed socket is answered with a reset, and that throws away what the sender has not read yet. A connection that
 * would be closed with such an answer is closed for writing alone, until the upload is over.
 */
export function discardRest(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  // Node calls it when the last answer of a connection is written.
  socket.destroySoon = () => {
    if (request.complete) Socket.prototype.destroySoon.call(socket);
    else socket.end();
  };
  response.once("finish", () => {
    if (request.complete) return;
    const timer = setTimeout(() => socket.destroy(), DISCARD_LIMIT_MS).unref();
    request.once("close", () => clearTimeout(timer));
    request.once("end", () => {
      if (socket.writableEnded) socket.destroy();
    });
    request.removeAllListeners("data");
    request.resume();
  });
}
