import { request as httpRequest } from "node:http";
import { expect, it, onTestFinished, vi } from "vitest";
import { RefusalLog } from "../../supervisor/http/refusal-log.ts";
import { noteBadHttp } from "../../supervisor/http/server/note-bad-http.ts";
import { RawClient, serve } from "./served-app.ts";

const UNAUTHORISED = { peer: "10.0.0.1", status: 401, code: "invalid_api_key" };

interface Line {
  readonly msg: string;
  readonly more?: number;
  readonly peer?: string | null;
  readonly status?: number;
}

/** A log of refusals whose time a test moves on. */
function refusalLog(options: { mostKinds?: number } = {}) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const lines: Line[] = [];
  const log = { info: (facts: object, msg: string) => void lines.push({ ...facts, msg }) };
  const refusals = new RefusalLog({ log: log as never, ...options });
  const refuse = (kind: Parameters<RefusalLog["note"]>[0], times = 1) => {
    for (let time = 0; time < times; time += 1)
      refusals.note(kind, () => lines.push({ ...kind, msg: "in full" }));
  };
  return { lines, refusals, refuse };
}

it("the first is written in full, the rest as one line a second that counts them", () => {
  const { lines, refuse } = refusalLog();
  refuse(UNAUTHORISED, 1_000);
  expect(lines).toEqual([{ ...UNAUTHORISED, msg: "in full" }]);
  vi.advanceTimersByTime(1_000);
  expect(lines.slice(1)).toEqual([
    { ...UNAUTHORISED, more: 999, msg: "999 more like it in the last second" },
  ]);
  refuse(UNAUTHORISED, 5);
  vi.advanceTimersByTime(1_000);
  expect(lines.slice(2)).toEqual([{ ...UNAUTHORISED, more: 5, msg: "5 more like it in the last second" }]);
});

it("after a second without any the next is written in full again", () => {
  const { lines, refuse } = refusalLog();
  refuse(UNAUTHORISED);
  vi.advanceTimersByTime(1_000);
  refuse(UNAUTHORISED);
  expect(lines.map(({ msg }) => msg)).toEqual(["in full", "in full"]);
});

it("another client, status or reason is another kind", () => {
  const { lines, refuse } = refusalLog();
  refuse(UNAUTHORISED);
  refuse({ ...UNAUTHORISED, peer: "10.0.0.2" });
  refuse({ ...UNAUTHORISED, status: 404 });
  refuse({ ...UNAUTHORISED, code: "not_found" });
  expect(lines).toHaveLength(4);
});

it("of many clients at once only so many are told apart, and no count is lost", () => {
  const { lines, refuse } = refusalLog({ mostKinds: 3 });
  const clients = Array.from({ length: 1_000 }, (_, index) => ({ ...UNAUTHORISED, peer: `10.0.1.${index}` }));
  for (const client of clients) refuse(client, 2);
  vi.advanceTimersByTime(1_000);
  expect(lines.length).toBeLessThanOrEqual(8);
  const told = lines.reduce((sum, { more = 1 }) => sum + more, 0);
  expect(told).toBe(2_000);
  expect(lines.at(-1)).toMatchObject({ peer: "several clients" });
});

it("closing writes what was counted", () => {
  const { lines, refusals, refuse } = refusalLog();
  refuse(UNAUTHORISED, 3);
  refusals.close();
  expect(lines.at(-1)).toMatchObject({ more: 2 });
  expect(vi.getTimerCount()).toBe(0);
});

/** Over this many connections at a time. */
const CONNECTIONS = 32;
const FLOOD = 2_000;

it("a flood of requests without a key, over sockets, leaves few lines, and the metrics count each", async () => {
  const { listener, logLines, metrics } = await serve({ config: { api_keys: ["key-12345678"] } });
  const startedAt = performance.now();
  let left = FLOOD;
  const ask = (path: string) =>
    new Promise<number>((resolve, reject) => {
      const sent = httpRequest(`${listener.url}${path}`, (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      });
      sent.on("error", reject).end();
    });
  const client = async () => {
    while (left-- > 0) expect(await ask(`/v1/models?n=${left}`)).toBe(401);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  const seconds = (performance.now() - startedAt) / 1_000;
  // One in full, one a second, and one more where a second had none.
  expect(logLines.length).toBeLessThanOrEqual(2 + 2 * Math.ceil(seconds));
  expect(logLines[0]).toMatchObject({ status: 401, path: "/v1/models", peer: "127.0.0.1" });
  expect(await metrics.render([])).toContain(`opta_lmx_errors_total{code="invalid_api_key"} ${FLOOD}`);
});

it("what never becomes a request is logged with its client and counted, and a flood of it summed up", async () => {
  const lines: Line[] = [];
  const log = { info: (facts: object, msg: string) => void lines.push({ ...facts, msg }) } as never;
  const refusals = new RefusalLog({ log });
  onTestFinished(() => refusals.close());
  const counted: string[] = [];
  const onBadHttp = noteBadHttp(log, refusals, { failed: (code) => void counted.push(code) });
  const { listener } = await serve({ onBadHttp });
  const answers = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const client = new RawClient(listener.port);
      client.send("NOT HTTP AT ALL\r\n\r\n");
      return await client.closed;
    }),
  );
  for (const answer of answers) expect(answer).toContain("400 Bad Request");
  expect(counted).toHaveLength(50);
  const bad = lines.filter(({ msg }) => msg === "no request");
  expect(bad.length).toBeLessThan(5);
  expect(bad[0]).toMatchObject({ status: 400, peer: "127.0.0.1", code: "invalid_request_error" });
});
