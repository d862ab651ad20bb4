import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clientsSchema } from "../../shared/config.ts";
import { ERRORS, type ErrorCode, LmxError, type LmxErrorOptions } from "../../shared/errors.ts";
import type { GenerationEvent } from "../../shared/generation.ts";
import { INFERENCE_LIMITS } from "../../supervisor/http/body/body-limits.ts";
import { readSource, sourcesUnder } from "../support/import-rules.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { CHAT, chat, JSON_TYPE, post, type TestApp, testApp } from "./test-app.ts";

type Surface = "inference" | "admin";

/** What is fixed about a code: operators and clients script against it, so it is written out again here. */
interface Expected {
  /** Status by surface; a surface that never answers with this code is left out. */
  readonly inference?: number;
  readonly admin?: number;
  readonly retry: boolean;
}

/** Codes the cluster throws: a fake one throws what the real one would. */
const FROM_THE_CLUSTER: Partial<Record<ErrorCode, Expected & { readonly options?: LmxErrorOptions }>> = {
  model_unsupported_arch: { inference: 422, admin: 422, retry: false },
  model_unsupported_backend: { inference: 422, admin: 422, retry: false },
  model_incomplete: { inference: 400, admin: 409, retry: false },
  model_not_ready: { inference: 409, admin: 409, retry: true, options: { retryAfterSeconds: 5 } },
  model_canary_failed: { inference: 409, admin: 409, retry: false },
  model_unstable: { inference: 409, admin: 409, retry: false },
  request_suspected: { inference: 400, retry: false },
  safe_mode: { inference: 503, admin: 503, retry: false },
  model_not_found: { inference: 404, admin: 404, retry: false, options: { param: "model" } },
  model_load_timeout: { inference: 504, admin: 504, retry: false },
  model_loader_crashed: { inference: 502, admin: 502, retry: false },
  insufficient_memory: { inference: 503, admin: 507, retry: false },
  worker_crashed: { inference: 503, retry: true, options: { retryAfterSeconds: 1 } },
  context_length_exceeded: { inference: 400, retry: false, options: { param: "messages" } },
  rate_limit_exceeded: { inference: 429, retry: true },
  server_is_overloaded: { admin: 503, retry: true, options: { retryAfterSeconds: 5 } },
  worker_runtime_broken: { inference: 503, admin: 503, retry: true },
};

interface Request extends Omit<Expected, Surface> {
  readonly surface: Surface;
  readonly status: number;
  readonly send: (given: TestApp) => Response | Promise<Response>;
}

const KEYS = { config: { api_keys: ["secret"] } };
const LOAD = "/admin/models/load";
const CHAT_PATH = "/v1/chat/completions";
const TEXT = { "content-type": "text/plain" };
const HUGE = { "content-length": String(INFERENCE_LIMITS.bytes + 1) };
/** A request whose body stops in the middle, to a service that waits 10 ms for the rest. */
const stalled = (path: string) => {
  const clients = clientsSchema.parse({ upload_grace_seconds: 0.01 });
  const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("{")) });
  const request = { method: "POST", headers: JSON_TYPE, body, duplex: "half" } as RequestInit;
  return testApp({ config: { clients } }).app.request(path, request);
};
const inference = (status: number, send: Request["send"], retry = false): Request => ({
  surface: "inference",
  status,
  send,
  retry,
});
const admin = (status: number, send: Request["send"]): Request => ({
  surface: "admin",
  status,
  send,
  retry: false,
});

/** Codes the HTTP layer makes itself: requests that earn them. */
const FROM_HTTP: Partial<Record<ErrorCode, readonly Request[]>> = {
  invalid_request_error: [
    inference(400, ({ app }) => post(app, CHAT_PATH, {})),
    inference(400, ({ app }) => post(app, "/v1/completions", "{")),
    admin(400, ({ app }) => post(app, LOAD, {})),
  ],
  unsupported_parameter: [inference(400, ({ app }) => chat(app, { modalities: ["text", "audio"] }))],
  not_found: [
    inference(404, ({ app }) => app.request("/nope")),
    admin(404, ({ app }) => app.request("/admin/nope")),
  ],
  model_not_found: [
    inference(404, ({ app }) => chat(app, { model: "nobody" })),
    inference(404, ({ app }) => app.request("/v1/models/nobody")),
    admin(404, ({ app }) => post(app, "/admin/models/unload", { model_id: "nobody" })),
  ],
  request_too_large: [
    inference(413, ({ app }) => post(app, CHAT_PATH, CHAT, HUGE)),
    admin(413, ({ app }) => post(app, LOAD, { model_id: "demo" }, HUGE)),
  ],
  request_timeout: [
    { ...inference(408, () => stalled(CHAT_PATH)), retry: true },
    { ...admin(408, () => stalled(LOAD)), retry: true },
  ],
  unsupported_media_type: [
    inference(415, ({ app }) => post(app, CHAT_PATH, CHAT, TEXT)),
    admin(415, ({ app }) => post(app, LOAD, { model_id: "demo" }, TEXT)),
  ],
  method_not_allowed: [
    inference(405, ({ app }) => app.request(CHAT_PATH)),
    admin(405, ({ app }) => app.request(LOAD, { method: "DELETE" })),
  ],
  invalid_api_key: [
    inference(401, () => chat(testApp(KEYS).app, {}, { authorization: "Bearer wrong" })),
    inference(401, () => testApp(KEYS).app.request("/v1/models")),
    admin(401, () => testApp(KEYS).app.request("/admin/models", { headers: { "x-admin-key": "wrong" } })),
  ],
  forbidden_origin: [
    inference(403, ({ app }) => app.request("/v1/models", { headers: { host: "rebound.example" } })),
    admin(403, ({ app }) => app.request("/admin/models", { headers: { origin: "https://evil.example" } })),
  ],
  forbidden_proxy: [
    inference(403, ({ app }) => chat(app, {}, { "x-forwarded-for": "203.0.113.9" })),
    admin(403, ({ app }) => app.request("/admin/models", { headers: { via: "1.1 proxy.example" } })),
  ],
  internal_error: [
    // An engine that stops without a finish, and a number JSON cannot hold: bugs, nobody's thrown error.
    inference(500, ({ app, cluster }) => {
      cluster.onGenerate = () => unfinished();
      return chat(app);
    }),
    admin(500, ({ app, cluster }) => {
      const answer = cluster.onLoad;
      cluster.onLoad = async (id) => Object.assign(await answer(id), { memory_bytes: 1n });
      return post(app, LOAD, { model_id: "demo" });
    }),
  ],
  server_is_overloaded: [
    inference(
      503,
      ({ app, service }) => {
        service.isDraining = true;
        return chat(app);
      },
      true,
    ),
  ],
};

/** Codes of the table that nothing answers with yet, and what will. */
const UNREACHED: Partial<Record<ErrorCode, string>> = {};

async function* unfinished(): AsyncGenerator<GenerationEvent> {
  yield { type: "text", text: "po" };
}

const codesOf = (table: object): ErrorCode[] => Object.keys(table) as ErrorCode[];

/** Everything that holds for an error, whatever its code. */
async function expectError(
  response: Response,
  code: ErrorCode,
  surface: Surface,
  { status, retry }: { readonly status: number; readonly retry: boolean },
): Promise<void> {
  const body = (await response.json()) as { error: Record<string, unknown> };
  expect([body.error.code, response.status]).toEqual([code, status]);
  const keys = ["code", "message", "param", "type"];
  expect(Object.keys(body)).toEqual(["error"]);
  expect(Object.keys(body.error).toSorted()).toEqual(
    (surface === "admin" ? [...keys, "details"] : keys).toSorted(),
  );
  expect(body.error.type).toBe(ERRORS[code].openaiType);
  expect(body.error.message).toMatch(/\S/);
  expect(body.error.param === null || typeof body.error.param === "string").toBe(true);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  expect(response.headers.get("x-should-retry")).toBe(String(retry));
  const retryAfter = response.headers.get("retry-after");
  if (!retry) expect(retryAfter).toBeNull();
  else {
    expect(retryAfter).toMatch(/^\d+$/);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    expect(Number(retryAfter)).toBeLessThanOrEqual(60);
  }
}

const thrown = codesOf(FROM_THE_CLUSTER).flatMap((code) => {
  const { options = {}, retry, ...statuses } = FROM_THE_CLUSTER[code]!;
  return (["inference", "admin"] as const).flatMap((surface) => {
    const status = statuses[surface];
    return status === undefined ? [] : [{ code, surface, status, retry, options }];
  });
});

describe("an error of the cluster", () => {
  function failing(code: ErrorCode, options: LmxErrorOptions): TestApp {
    const cluster = new FakeCluster();
    const fail = () => Promise.reject(new LmxError(code, "What happened; what to do.", options));
    cluster.onGenerate = fail;
    cluster.onLoad = fail;
    return testApp({ cluster });
  }

  it.each(thrown.filter(({ surface }) => surface === "inference"))(
    "$code is $status for inference, whichever route and whether streamed or not",
    async ({ code, surface, status, retry, options }) => {
      const { app } = failing(code, options);
      const prompt = { model: "demo", prompt: "ping" };
      const requests: [string, object][] = [
        [CHAT_PATH, CHAT],
        ["/chat/completions", CHAT],
        [CHAT_PATH, { ...CHAT, stream: true }],
        ["/v1/completions", prompt],
        ["/v1/completions", { ...prompt, stream: true }],
      ];
      for (const [path, body] of requests)
        await expectError(await post(app, path, body), code, surface, { status, retry });
    },
  );

  it.each(thrown.filter(({ surface }) => surface === "admin"))(
    "$code is $status for an explicit load, with its details",
    async ({ code, surface, status, retry, options }) => {
      const details = { checks: [{ name: "memory", status: "fail", detail: "too little" }] };
      const { app } = failing(code, { ...options, details });
      const response = await post(app, LOAD, { model_id: "demo" });
      expect(await response.clone().json()).toMatchObject({ error: { details } });
      await expectError(response, code, surface, { status, retry });
    },
  );

  it("that says itself that a retry is useless has no Retry-After, whatever the table says", async () => {
    const options = { retryable: false, retryAfterSeconds: 5 };
    const { app } = failing("model_not_ready", options);
    await expectError(await chat(app), "model_not_ready", "inference", { status: 409, retry: false });
  });

  it.each([
    [0, "1"],
    [5, "5"],
    [3_600, "60"],
  ])("that wants a retry in %s s is told as %s", async (retryAfterSeconds, header) => {
    const response = await chat(failing("model_not_ready", { retryAfterSeconds }).app);
    expect(response.headers.get("retry-after")).toBe(header);
  });
});

describe("an error of the HTTP layer", () => {
  const requests = codesOf(FROM_HTTP).flatMap((code) =>
    FROM_HTTP[code]!.map((request) => ({ code, ...request })),
  );

  it.each(requests)("$code is $status for a request of $surface that earns it", async (request) => {
    const { code, surface, status, retry, send } = request;
    await expectError(await send(testApp()), code, surface, { status, retry });
  });

  it("keeps the request id the client chose", async () => {
    const response = await post(testApp().app, CHAT_PATH, {}, { ...JSON_TYPE, "x-request-id": "mine-1" });
    expect(response.headers.get("x-request-id")).toBe("mine-1");
  });
});

describe("the table of errors", () => {
  const reached = new Set([...codesOf(FROM_THE_CLUSTER), ...codesOf(FROM_HTTP)]);
  const python = readdirSync("worker/lmx_worker", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".py"))
    .map((name) => join("worker/lmx_worker", name));
  // The command line only reads codes.
  const programs = sourcesUnder("supervisor").filter((file) => !file.startsWith("supervisor/cli/"));
  const sources = [...programs, ...python].map((file) => ({ file, text: readSource(file) }));

  /** Sources that can make an error of this code: they throw it, or a table of findings of theirs names it. */
  function sourcesOf(code: ErrorCode): string[] {
    return sources.filter(({ text }) => text.includes(`"${code}"`)).map(({ file }) => file);
  }

  it("has no code that is neither provoked above nor listed as unreached", () => {
    const listed = [...reached, ...codesOf(UNREACHED)];
    expect(listed.toSorted()).toEqual(codesOf(ERRORS).toSorted());
  });

  it.each(codesOf(UNREACHED))("%s is rightly listed as unreached", (code) => {
    expect(sourcesOf(code), `provoke ${code} above and take it off UNREACHED`).toEqual([]);
  });

  it.each([...reached])("%s is made somewhere", (code) => {
    expect(sourcesOf(code), `nothing makes ${code}: list it in UNREACHED`).not.toEqual([]);
  });

  it("stands whole in docs/errors.md: each code once, with its statuses", async () => {
    const page = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+)(?:, on `\/admin` (\d+))? \|/gm)];
    expect(rows.map(([, code]) => code).toSorted()).toEqual(codesOf(ERRORS).toSorted());
    const statuses = new Map(rows.map(([, code, status, onAdmin = status]) => [code, [status, onAdmin]]));
    for (const { code, surface, status } of thrown) {
      expect([code, statuses.get(code)?.[surface === "admin" ? 1 : 0]]).toEqual([code, String(status)]);
    }
  });
});
