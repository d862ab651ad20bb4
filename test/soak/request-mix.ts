import { randomBomb } from "../abuse/random-bomb.ts";
import type { Random } from "./random.ts";
import type { Answer, Reading, SoakRequest } from "./request.ts";

/** What one client keeps asking for. */
export type Role = "light" | "tiny" | "stream" | "leaver" | "slow-reader";

const AT_ONCE: Reading = { kind: "at-once" };
/** Whatever happened to the model, the client is told in a known way. */
const answered: SoakRequest["check"] = ({ status: got, error }) =>
  got < 400 || error !== null ? null : `HTTP ${got} without a code`;
/** Some prompts come again, so that requests that were in flight at crashes are suspected and refused. */
const REPEATED_PROMPTS = 40;
const SHARE_REPEATED = 0.1;
/** Whole bodies are refused beyond 16 MiB; what takes longest to look through is much smaller. */
const LARGEST_BOMB_BYTES = 512 * 1024;
const SHARE_UNREAD = 0.3;

export interface ChatOptions {
  readonly kind: string;
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly stream: boolean;
  /** Tells a client apart from the others, which all come from this process. */
  readonly user?: string;
  readonly reading?: Reading;
  readonly check?: (answer: Answer) => string | null;
}

export function chatRequest(options: ChatOptions): SoakRequest {
  const { kind, model, prompt, maxTokens, stream, user, reading = AT_ONCE, check = answered } = options;
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: prompt }],
    max_tokens: maxTokens,
    temperature: 0,
    stream,
    ...(user !== undefined && { user }),
  });
  return { kind, method: "POST", path: "/v1/chat/completions", body, model, reading, check };
}

/** An operator's word; `ok` means that it was followed. */
export function operatorRequest(
  action: string,
  model: string,
  more: Record<string, unknown> = {},
): SoakRequest {
  return {
    kind: `operator: ${action}`,
    method: "POST",
    path: `/admin/models/${action}`,
    body: JSON.stringify({ model_id: model, ...more }),
    model: null,
    reading: AT_ONCE,
    check: answered,
  };
}

/** Reads the configuration again. @param isRefused its file has a mistake, so nothing of it may be applied */
export function reloadRequest(isRefused: boolean): SoakRequest {
  return {
    kind: isRefused ? "operator: reload of a mistake" : "operator: reload",
    method: "POST",
    path: "/admin/config/reload",
    body: "{}",
    model: null,
    reading: AT_ONCE,
    check: isRefused ? refused(400, "invalid_request_error") : status(200),
  };
}

/** The next request of a client of this role to a model that may fail at any time. */
export function victimRequest(
  role: Exclude<Role, "light">,
  model: string,
  random: Random,
  name: string,
): SoakRequest {
  const prompt =
    random.next() < SHARE_REPEATED ? `again ${random.between(1, REPEATED_PROMPTS)}` : `soak ${name}`;
  const common = { kind: `victim: ${role}`, model, prompt };
  switch (role) {
    case "tiny":
      return chatRequest({ ...common, maxTokens: random.between(1, 4), stream: random.next() < 0.5 });
    case "stream":
      return chatRequest({ ...common, maxTokens: random.between(50, 250), stream: true });
    case "leaver": {
      const reading: Reading = { kind: "leaves", afterMs: random.between(0, 400) };
      return chatRequest({ ...common, maxTokens: 400, stream: random.next() < 0.8, reading });
    }
    case "slow-reader": {
      const reading: Reading = { kind: "pauses", forMs: random.between(200, 3_000) };
      return chatRequest({ ...common, maxTokens: random.between(50, 400), stream: true, reading });
    }
    default:
      return role satisfies never;
  }
}

/** A body that is cheap to send and dear to read: refused clearly, or served where it is small enough. */
export function bombRequest(random: Random, model: string): SoakRequest {
  const { path, body } = randomBomb(random, model, LARGEST_BOMB_BYTES);
  const check: SoakRequest["check"] = ({ status: got, error }) =>
    got === 200 || ([400, 413, 429].includes(got) && error !== null)
      ? null
      : `expected HTTP 200 or a clear refusal, got ${got} ${error}`;
  return { ...get(path, check), kind: "bomb", method: "POST", body: Buffer.from(body).toString() };
}

/** A long stream of a client that has many of them, and does not read all. */
export function greedyRequest(random: Random, model: string, name: string): SoakRequest {
  const isUnread = random.next() < SHARE_UNREAD;
  return chatRequest({
    kind: isUnread ? "greedy: unread" : "greedy",
    model,
    prompt: `more ${name}`,
    maxTokens: random.between(100, 400),
    stream: true,
    user: "greedy",
    reading: isUnread ? { kind: "pauses", forMs: random.between(1_000, 6_000) } : AT_ONCE,
  });
}

/** The next request that needs no worker: looks, lists and what must be refused. */
export function lightRequest(random: Random, bystander: string): SoakRequest {
  return random.weighted<() => SoakRequest>([
    [500, () => get("/livez", status(200))],
    [100, () => get("/readyz", status(200, 503))],
    [250, () => get("/v1/models", status(200))],
    [2, () => get("/metrics", status(200))],
    [60, () => get("/no/such/path", refused(404, "not_found"))],
    [40, () => wrongMethod()],
    [45, () => badChat("bad value", { model: bystander, temperature: "hot" }, "invalid_request_error")],
    [3, () => badChat("unknown model", { model: "no/such-model" }, "model_not_found", 404)],
  ])();
}

function get(path: string, check: SoakRequest["check"]): SoakRequest {
  return { kind: `GET ${path}`, method: "GET", path, body: null, model: null, reading: AT_ONCE, check };
}

function wrongMethod(): SoakRequest {
  const check = refused(405, "method_not_allowed");
  return { ...get("/v1/models", check), kind: "wrong method", method: "DELETE" };
}

function badChat(kind: string, fields: Record<string, unknown>, code: string, http = 400): SoakRequest {
  const body = JSON.stringify({ messages: [{ role: "user", content: "x" }], ...fields });
  const check = refused(http, code);
  return { ...get("/v1/chat/completions", check), kind, method: "POST", body };
}

function status(...wanted: readonly number[]): SoakRequest["check"] {
  return ({ status: got }) =>
    wanted.includes(got) ? null : `expected HTTP ${wanted.join(" or ")}, got ${got}`;
}

function refused(wanted: number, code: string): SoakRequest["check"] {
  return ({ status: got, error }) =>
    got === wanted && error === code ? null : `expected HTTP ${wanted} ${code}, got ${got} ${error}`;
}
