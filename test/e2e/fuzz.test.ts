import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { sseData } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { HOSTILE_VALUES } from "./hostile-values.ts";
import { chatRequest, completionRequest } from "./request-arbitraries.ts";

const MODEL = "tiny/fuzzed";
const RUNS = 2_000;
/** Requests on their way at once, so that they meet in a batch. */
const AT_ONCE = 32;
/** An answer of a few tokens that takes longer hangs, also on a busy machine. Milliseconds. */
const HANG_MS = 30_000;

let lmx: RunningSupervisor;
let worker: number | undefined;

beforeAll(async () => {
  lmx = await RunningSupervisor.start({
    models: { [MODEL]: tinyModels().endless },
    args: ["--auto-load", MODEL, "--log-level", "warn"],
    routable: [MODEL],
  });
  worker = (await lmx.model(MODEL)).worker?.pid;
});
afterAll(async () => {
  await lmx.dispose();
});

/** Status of a request, its body read to the end; a stream that ends badly counts as 500. */
async function send(path: string, body: unknown): Promise<{ status: number; text: string }> {
  const response = await lmx.post(path, body, { signal: AbortSignal.timeout(HANG_MS) });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream"))
    return { status: response.status, text: await response.text() };
  const frames: string[] = [];
  for await (const data of sseData(response)) frames.push(data);
  const sound = frames.at(-1) === "[DONE]" && !frames.some((frame) => frame.startsWith('{"error"'));
  return { status: sound ? response.status : 500, text: frames.join("\n").slice(-500) };
}

async function expectSameWorker(): Promise<void> {
  const { worker: now, readiness } = await lmx.model(MODEL);
  expect([now?.pid, readiness.failures]).toEqual([worker, 0]);
}

describe("a live server under random requests", () => {
  it(`answers ${RUNS} of them within the schema without a 5xx, a death or a hang`, async () => {
    const arbitrary = fc.oneof(
      chatRequest(MODEL).map((body) => ["/v1/chat/completions", body] as const),
      completionRequest(MODEL).map((body) => ["/v1/completions", body] as const),
    );
    const requests = fc.sample(arbitrary, { numRuns: RUNS });
    const statuses = new Map<number, number>();
    const sender = async () => {
      for (let next = requests.pop(); next !== undefined; next = requests.pop()) {
        const [path, body] = next;
        const { status, text } = await send(path, body);
        expect(status, `${path} ${JSON.stringify(body)}: ${text}`).toBeLessThan(500);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    await expectSameWorker();
    // Otherwise all of them may have been refused before they reached the model.
    expect(statuses.get(200)).toBeGreaterThan(RUNS / 2);
  }, 300_000);
});

describe("a live server under hostile values", () => {
  const base = {
    "/v1/chat/completions": { model: MODEL, messages: [{ role: "user", content: "go on" }], max_tokens: 2 },
    "/v1/completions": { model: MODEL, prompt: "go on", max_tokens: 2 },
  };
  const cases = Object.entries(HOSTILE_VALUES).flatMap(([field, values]) =>
    Object.entries(base).map(([path, body]) => [field, path, body, values] as const),
  );

  it.each(cases)("answers %s at %s with less than 500", async (field, path, body, values) => {
    for (const value of values) {
      const { status, text } = await send(path, { ...body, [field]: value });
      expect(status, `${JSON.stringify(value)?.slice(0, 100)}: ${text}`).toBeLessThan(500);
    }
    await expectSameWorker();
  });

  it.each(Object.keys(base))("refuses numbers that JSON does not have at %s", async (path) => {
    for (const number of ["NaN", "Infinity", "-Infinity", "1e999", "0x10"]) {
      const body = `{"model":"${MODEL}","prompt":"a","messages":[{"role":"user","content":"a"}],"temperature":${number}}`;
      expect((await lmx.post(path, null, { body })).status).toBe(400);
    }
    await expectSameWorker();
  });

  it("still answers as before", async () => {
    expect((await send("/v1/chat/completions", base["/v1/chat/completions"])).status).toBe(200);
  });
});
