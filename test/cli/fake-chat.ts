import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { errorBody, readiness } from "./fake-supervisor.ts";

/** What a fake answer is made of; `hang` keeps it open until the client leaves. */
export type FakePiece =
  | { readonly text: string }
  | { readonly reasoning: string }
  | { readonly finish: string; readonly tokens?: number }
  | { readonly error: string }
  | "hang"
  | "break";

export interface ChatRequest {
  readonly key: string | undefined;
  readonly body: {
    readonly messages: { readonly role: string; readonly content: string }[];
    readonly [key: string]: unknown;
  };
}

export interface FakeChat {
  readonly url: string;
  /** Bodies of `/v1/chat/completions`, in order. */
  readonly requests: ChatRequest[];
  /** Resolves when a client left an answer that hangs. */
  readonly left: Promise<void>;
  /** Paths asked for, in order. */
  readonly paths: string[];
}

/** Fakes a supervisor whose models all serve, and answers one script per chat request, the last one again and again. */
export async function fakeChat(...scripts: readonly FakePiece[][]): Promise<FakeChat> {
  const { promise: left, resolve: onLeft } = Promise.withResolvers<void>();
  const chat: FakeChat = { url: "", requests: [], left, paths: [] };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    chat.paths.push(request.url ?? "");
    if (request.url !== "/v1/chat/completions") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ model_id: body.model_id, readiness: readiness("routable") }));
      return;
    }
    chat.requests.push({ key: request.headers.authorization, body });
    const script = scripts[Math.min(chat.requests.length, scripts.length) - 1] ?? [];
    response.on("close", () => {
      if (!response.writableEnded) onLeft();
    });
    play(script, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(chat, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function play(script: readonly FakePiece[], response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(": keep-alive\n\n");
  for (const piece of script) {
    if (piece === "hang") return;
    if (piece === "break") return void response.end();
    response.write(`data: ${JSON.stringify(frame(piece))}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

function frame(piece: Exclude<FakePiece, string>): unknown {
  if ("error" in piece) return errorBody("worker_crashed", piece.error);
  const choice = (delta: object, finish_reason: string | null = null) => ({ index: 0, delta, finish_reason });
  if ("text" in piece) return { choices: [choice({ content: piece.text })] };
  if ("reasoning" in piece) return { choices: [choice({ reasoning_content: piece.reasoning })] };
  const usage = { prompt_tokens: 3, completion_tokens: piece.tokens ?? 2, total_tokens: 5 };
  return { choices: [choice({}, piece.finish)], usage };
}
