import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { ModelDetail } from "../../shared/admin.ts";
import type { Readiness } from "../../shared/readiness.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

export type Answer = (asked: Asked) => {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * A fake admin API on a real port, or on a real socket when there is a path: it answers from a function and writes down
 * what it was asked.
 */
export async function fakeSupervisor(
  answer: Answer,
  socketPath?: string,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const question: Asked = {
      method: request.method ?? "",
      path: request.url ?? "",
      key: request.headers["x-admin-key"] as string | undefined,
      body: text === "" ? undefined : JSON.parse(text),
    };
    asked.push(question);
    const { status, body, headers } = answer(question);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    if (socketPath === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(socketPath, resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const port = socketPath === undefined ? (server.address() as AddressInfo).port : 1;
  return { url: `http://127.0.0.1:${port}`, asked };
}

/** When the fake models' states began, and the time a test's clock shows unless it says otherwise. */
export const SINCE = "2026-11-20T10:00:00.000Z";

export function readiness(state: Readiness["state"], changes: Partial<Readiness> = {}): Readiness {
  return {
    state,
    detail: null,
    since: SINCE,
    reason: null,
    failures: 0,
    next_attempt_at: null,
    quarantine: null,
    ...changes,
  };
}

export function model(id: string, state: Readiness["state"], changes: Partial<Readiness> = {}): ModelDetail {
  const isLive = state === "routable" || state === "loading" || state === "canary_pending";
  const worker = {
    pid: 4711,
    started_at: SINCE,
    backend_version: null,
    mlx_version: null,
    memory_bytes: 3 * 1024 ** 3,
    in_flight: 2,
    checks: [],
  };
  return {
    id,
    path: `/models/${id}`,
    model_type: "llama",
    digest: null,
    size_bytes: 1,
    loaded: state === "routable",
    context_length: null,
    readiness: readiness(state, changes),
    worker: isLive ? worker : null,
  };
}

export function modelList(...data: ModelDetail[]): { object: string; data: ModelDetail[] } {
  return { object: "list", data };
}

/** The same answer to everything. */
export const always =
  (status: number, body: unknown): Answer =>
  () => ({ status, body });

export const errorBody = (code: string, message: string, details?: object) => ({
  error: { message, type: "invalid_request_error", param: null, code, ...(details ? { details } : {}) },
});
