import { Agent, request } from "node:http";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ChaosService } from "../chaos/chaos-service.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { RawConnection } from "./raw-connection.ts";
import { abuse, isWhole } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

const REQUESTS = isWhole ? 20_000 : 2_000;
const AT_ONCE = 50;
/** A line a second for each kind of refusal, and what else a service has to say. */
const LINES_A_SECOND = 20;
/** The last second's line comes after it, and the log is written a little later. */
const COUNTED_MS = 5_000;
const KEYS = { api_keys: ["sk-abuse-client-1"], admin_keys: ["sk-abuse-operator-1"] };
const headers = { authorization: `Bearer ${KEYS.api_keys[0]}` };
const adminHeaders = { "x-admin-key": KEYS.admin_keys[0] ?? "" };

/** A request of a flood. */
interface Drop {
  readonly method: string;
  readonly path: string;
}

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real", config: KEYS, waits: false });
  await service.lmx.outputShows(/"msg":"model is routable"|routable/);
});

afterAll(() => service?.dispose());

/** Sends them as fast as they go; resolves with how many answers had which status. */
async function flood(drops: readonly Drop[], withKey: boolean): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const statuses = new Map<number, number>();
  let sent = 0;
  const one = async () => {
    for (let n = sent++; n < REQUESTS; n = sent++) {
      const { method, path } = drops[n % drops.length] ?? { method: "GET", path: "/" };
      const status = await ask(agent, method, `${service.lmx.url}${path}?n=${n}`, withKey ? headers : {});
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  agent.destroy();
  return statuses;
}

function ask(agent: Agent, method: string, url: string, with_: Record<string, string>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const call = request(url, { agent, method, headers: with_ }, (response) => {
    response.resume();
    response.once("end", () => resolve(response.statusCode ?? 0));
  });
  call.once("error", () => resolve(0));
  call.end();
  return promise;
}

/** Runs a flood and sees that its lines are counted, not written. */
async function withFewLines(act: () => Promise<void>): Promise<void> {
  const linesBefore = service.logLines().length;
  const startedAt = performance.now();
  const refusals = () =>
    service
      .logLines()
      .slice(linesBefore)
      .filter(({ status }) => Number(status) >= 400);
  await underAbuse(service, act, { headers, adminHeaders });
  await waitUntil(
    "the log has counted every refusal",
    () => refusals().reduce((sum, { more = 1 }) => sum + Number(more), 0) >= REQUESTS,
    COUNTED_MS,
  );
  const seconds = (performance.now() - startedAt) / 1000;
  expect(refusals().length).toBeLessThan(LINES_A_SECOND * Math.ceil(seconds));
}

abuse("L1", "requests without a key, as fast as they go", async () => {
  const paths = ["/v1/models", "/v1/chat/completions", "/admin/models", "/metrics"];
  await withFewLines(async () => {
    const statuses = await flood(
      paths.map((path) => ({ method: "GET", path })),
      false,
    );
    expect([...statuses]).toEqual([[401, REQUESTS]]);
  });
});

abuse("L2", "paths that do not exist and methods that are not allowed, as fast as they go", async () => {
  const drops = [
    { method: "GET", path: "/no/such/path" },
    { method: "DELETE", path: "/v1/models" },
    { method: "GET", path: `/${"long".repeat(400)}` },
  ];
  await withFewLines(async () => {
    const statuses = await flood(drops, true);
    expect([...statuses.keys()].toSorted()).toEqual([404, 405]);
  });
});

describe("what is no HTTP", () => {
  const SHORT_CHARACTERS = 1_000;
  const HEAD = "GET /livez HTTP/1.1\r\nhost: localhost\r\n";
  const BAD_REQUESTS: readonly (readonly [name: string, text: string, statuses: readonly number[]])[] = [
    ["one header of a megabyte", `${HEAD}x: ${"a".repeat(1024 * 1024)}\r\n\r\n`, [431]],
    ["a hundred thousand headers", `${HEAD}${"x: y\r\n".repeat(100_000)}\r\n`, [431]],
    [
      "a path of a megabyte",
      `GET /${"a".repeat(1024 * 1024)} HTTP/1.1\r\nhost: localhost\r\n\r\n`,
      [431, 414],
    ],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(1_000), [400]],
    [
      "two lengths",
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      [400],
    ],
    [
      "a length and chunks",
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello`,
      [400],
    ],
    [
      "a chunk of any length",
      `POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
      [400],
    ],
    ["a method of a megabyte", `${"A".repeat(1024 * 1024)} / HTTP/1.1\r\n\r\n`, [400, 431]],
  ];

  abuse("L3", "headers without end, of one line and of many, and what is no HTTP", async () => {
    const rounds = isWhole ? 50 : 4;
    const unclear: string[] = [];
    await underAbuse(
      service,
      async () => {
        for (let round = 0; round < rounds; round++)
          await Promise.all(
            BAD_REQUESTS.map(async ([name, text, statuses]) => {
              const connection = await RawConnection.open(service.lmx.url);
              await connection.write(Buffer.from(text, "latin1"));
              await connection.closed;
              // A connection that is cut in the middle of megabytes may lose its answer.
              if (connection.status === null && text.length > SHORT_CHARACTERS) return;
              const isClear =
                statuses.includes(connection.status ?? 0) && connection.text.includes('"code":');
              if (!isClear) unclear.push(`${name}: ${connection.text.slice(0, 200)}`);
            }),
          );
      },
      { headers, adminHeaders },
    );
    expect(unclear).toEqual([]);
  });
});
