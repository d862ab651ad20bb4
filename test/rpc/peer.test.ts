import { describe, expect, it } from "vitest";
import { RpcError, RpcPeer, RpcTooLargeError, type Violation } from "../../supervisor/rpc/peer.ts";

const LIMITS = {
  line: { bytes: 1000, values: 1000, heapBytes: 100_000, depth: 16 },
  maxRequestBytes: 1000,
  maxErrorCharacters: 40,
};

/** A peer whose other side is this test: what it wrote, and a way to answer. */
function connect(write: (line: string) => Promise<void> = async () => {}) {
  const written: { id: number; method: string; params: unknown }[] = [];
  const notifications: [string, unknown][] = [];
  const violations: Violation[] = [];
  const sink = {
    write: (pieces: readonly (string | Uint8Array)[]) => {
      const line = Buffer.concat(pieces.map((piece) => Buffer.from(piece))).toString();
      written.push(JSON.parse(line));
      return write(line);
    },
  };
  const peer = new RpcPeer(
    sink,
    {
      onNotification: (method, params) => notifications.push([method, params]),
      onViolation: (violation) => violations.push(violation),
    },
    LIMITS,
  );
  const say = (text: string) => peer.receive(Buffer.from(`${text}\n`));
  return { peer, written, notifications, violations, say };
}

const patience = { timeoutMs: 60_000 };

describe("requests", () => {
  it("are answered by id, in any order", async () => {
    const { peer, written, say } = connect();
    const first = peer.request("a", { x: 1 }, patience);
    const second = peer.request("b", {}, patience);
    expect(written.map(({ method, params }) => [method, params])).toEqual([
      ["a", { x: 1 }],
      ["b", {}],
    ]);
    say(JSON.stringify({ jsonrpc: "2.0", id: written[1]?.id, result: "two" }));
    say(JSON.stringify({ jsonrpc: "2.0", id: written[0]?.id, result: "one" }));
    expect(await Promise.all([first, second])).toEqual(["one", "two"]);
  });

  it("reject with the other side's error and its data", async () => {
    const { peer, written, say } = connect();
    const request = peer.request("load", {}, patience);
    say(
      JSON.stringify({
        jsonrpc: "2.0",
        id: written[0]?.id,
        error: { code: -32000, message: "no", data: { code: "model_incomplete" } },
      }),
    );
    const error = await request.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: -32000, message: "no", data: { code: "model_incomplete" } });
  });

  it("reject with the beginning of a long error, on one line, and with its short facts alone", async () => {
    const { peer, written, say } = connect();
    const request = peer.request("load", {}, patience);
    const data = { code: "x".repeat(300), param: "a\u001b[2J", bytes: 7, list: [1], object: {} };
    const error = { code: -32000, message: `no\n${"no ".repeat(100)}`, data };
    say(JSON.stringify({ jsonrpc: "2.0", id: written[0]?.id, error }));
    const thrown = (await request.catch((caught: unknown) => caught)) as RpcError;
    expect(thrown.message).toMatch(/^no\\u000ano no [no ]*…$/);
    expect(thrown.message.length).toBeLessThanOrEqual(41);
    expect(thrown.data).toEqual({ code: `${"x".repeat(256)}…`, param: "a\\u001b[2J", bytes: 7 });
  });

  it("reject in time when nobody answers, and a late answer is no violation", async () => {
    const { peer, written, violations, say } = connect();
    await expect(peer.request("ping", {}, { timeoutMs: 5 })).rejects.toMatchObject({ kind: "timeout" });
    say(JSON.stringify({ jsonrpc: "2.0", id: written[0]?.id, result: {} }));
    expect(violations).toEqual([]);
  });

  it("all reject when the connection closes, later ones at once", async () => {
    const { peer } = connect();
    const waiting = [peer.request("a", {}, patience), peer.request("b", {}, patience)];
    peer.close("the worker exited");
    for (const request of waiting)
      await expect(request).rejects.toMatchObject({ kind: "closed", message: "the worker exited" });
    await expect(peer.request("c", {}, patience)).rejects.toMatchObject({ kind: "closed" });
  });

  it("reject when the line cannot be written", async () => {
    const { peer } = connect(() => Promise.reject(new Error("EPIPE")));
    await expect(peer.request("a", {}, patience)).rejects.toMatchObject({
      kind: "closed",
      message: "a could not be sent: EPIPE",
    });
  });

  it("over the cap write nothing", async () => {
    const { peer, written } = connect();
    await expect(peer.request("generate", { text: "é".repeat(500) }, patience)).rejects.toBeInstanceOf(
      RpcTooLargeError,
    );
    expect(written).toEqual([]);
  });
});

describe("what the other side says unasked", () => {
  it("reaches the notification handler", () => {
    const { notifications, say } = connect();
    say('{"jsonrpc":"2.0","method":"step","params":{"rows":[]}}');
    expect(notifications).toEqual([["step", { rows: [] }]]);
  });

  it("is a violation when it is no JSON, no JSON-RPC or answers nothing, and the next line is read again", () => {
    const { notifications, violations, say } = connect();
    for (const line of [
      "Loading weights...",
      "[1,2]",
      '{"jsonrpc":"1.0","method":"x"}',
      '{"jsonrpc":"2.0","id":77,"result":{}}',
      '{"jsonrpc":"2.0","id":"7","result":{}}',
    ])
      say(line);
    say('{"jsonrpc":"2.0","method":"step"}');
    expect(violations.map(({ kind }) => kind)).toEqual([
      "not-json",
      "not-rpc",
      "not-rpc",
      "unknown-id",
      "unknown-id",
    ]);
    expect(notifications).toEqual([["step", undefined]]);
  });

  it("is a violation when the line is longer than allowed", () => {
    const { peer, violations } = connect();
    peer.receive(Buffer.alloc(LIMITS.line.bytes + 1, 120));
    expect(violations.map(({ kind }) => kind)).toEqual(["line-too-long"]);
  });

  it("is not read behind such a line", () => {
    const { peer, violations, notifications, say } = connect();
    peer.receive(Buffer.alloc(LIMITS.line.bytes + 1, 120));
    peer.receive(Buffer.alloc(10, 120));
    say('\n{"jsonrpc":"2.0","method":"step"}');
    expect([violations.length, notifications.length]).toEqual([1, 0]);
  });

  it("is ignored after the close", () => {
    const { peer, notifications, say } = connect();
    peer.close("gone");
    say('{"jsonrpc":"2.0","method":"step"}');
    expect(notifications).toEqual([]);
  });
});
