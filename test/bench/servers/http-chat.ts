import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { type StreamRequest, type StreamServer, TextStream } from "./text-stream.ts";

/** A chat server over HTTP with connections kept alive; the same client for every server. */
export class HttpChat implements StreamServer {
  readonly #url: URL;
  readonly #model: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string, model: string) {
    this.#url = new URL("/v1/chat/completions", url);
    this.#model = model;
  }

  open({ prompt, maxTokens }: StreamRequest): TextStream {
    const body = JSON.stringify({
      model: this.#model,
      messages: [{ role: "user", content: prompt }],
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const stream = new TextStream();
    const request = httpRequest(this.#url, { method: "POST", agent: this.#agent, headers }, (response) =>
      readAnswer(response, stream),
    );
    request.once("error", (error) => stream.fail(error));
    stream.leave = () => {
      stream.fail(new Error("the client left"));
      request.destroy();
    };
    request.end(body);
    return stream;
  }

  close(): void {
    this.#agent.destroy();
  }
}

function readAnswer(response: IncomingMessage, stream: TextStream): void {
  let pending = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    pending += chunk;
    if (response.statusCode !== 200) return;
    const events = pending.split("\n\n");
    pending = events.pop() ?? "";
    for (const event of events) readEvent(event, stream);
  });
  response.once("error", (error) => stream.fail(error));
  response.once("close", () =>
    stream.fail(new Error(`HTTP ${response.statusCode}, ended without usage: ${pending.slice(0, 500)}`)),
  );
}

const TEXT = /"content": ?"[^"]/;

/**
 * Looks at the text of an event instead of parsing it: 32 streams give thousands of events a second, and the client
 * shares the machine with the servers.
 */
function readEvent(event: string, stream: TextStream): void {
  if (!event.startsWith("data: ")) return;
  if (TEXT.test(event)) stream.gotText();
  else if (event.includes('"error"')) stream.fail(new Error(event));
  else if (event.includes('"completion_tokens"')) {
    const { usage } = JSON.parse(event.slice("data: ".length)) as {
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    stream.finish({ promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
  }
}
