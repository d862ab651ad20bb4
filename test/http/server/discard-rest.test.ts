import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { INFERENCE_LIMITS } from "../../../supervisor/http/body/body-limits.ts";
import { RawClient, rawPost, serve } from "../served-app.ts";

const PATH = "/v1/chat/completions";
const TOO_LONG = INFERENCE_LIMITS.bytes + 1;

/** A client that reads nothing before it has sent everything, as most do; what it has received when all is over. */
async function sendFirstThenRead(port: number, connection: "close" | "keep-alive"): Promise<string> {
  const client = new RawClient(port);
  client.socket.pause();
  client.send(rawPost(PATH, "", { "content-length": String(TOO_LONG), connection }));
  const piece = Buffer.alloc(64 * 1024, " ");
  for (let left = TOO_LONG; left > 0 && !client.socket.destroyed; left -= piece.length)
    if (!client.socket.write(piece.subarray(0, left)))
      await Promise.race([once(client.socket, "drain"), client.closed]).catch(() => {});
  client.socket.resume();
  if (connection === "keep-alive") await Promise.race([client.until('"code"'), client.closed]);
  else await client.closed;
  client.socket.destroy();
  return client.received;
}

describe("a client that sends all of an upload that was refused at its beginning", () => {
  it.each(["close", "keep-alive"] as const)(
    "still reads why, on a connection that wants to be %s",
    async (connection) => {
      const { listener } = await serve();
      const received = await sendFirstThenRead(listener.port, connection);
      expect(received).toMatch(/^HTTP\/1\.1 413 /);
      expect(received).toContain('"code":"request_too_large"');
    },
  );
});
