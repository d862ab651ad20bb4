import { z } from "zod";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import { CliError } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import type { SupervisorAddress } from "./find-supervisor.ts";
import { sseData } from "./sse-data.ts";

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What `POST /v1/chat/completions` is asked for. */
export interface ChatQuestion {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number;
  readonly max_completion_tokens?: number;
  readonly seed?: number;
}

/** Answers come in pieces, the last of which is `end`. */
export type ChatPiece =
  | { readonly kind: "text" | "reasoning"; readonly text: string }
  | { readonly kind: "end"; readonly finishReason: string; readonly usage: Usage | null };

const usageSchema = z.object({ prompt_tokens: z.number(), completion_tokens: z.number() });
type Usage = z.infer<typeof usageSchema>;

const frameSchema = z.object({
  choices: z.array(
    z.object({
      delta: z.object({ content: z.string().nullish(), reasoning_content: z.string().nullish() }),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});

/**
 * Streams one answer. Aborting the signal cancels it on the server too.
 * @throws CliError; the signal's reason when it aborts
 */
export async function* streamChat(
  { url, apiKey }: Pick<SupervisorAddress, "url" | "apiKey">,
  question: ChatQuestion,
  signal: AbortSignal,
): AsyncGenerator<ChatPiece> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    if (!response.ok) throw refusal(url, response.status, await response.json().catch(() => null), "api");
    if (response.body === null) throw unexpected(url, "the answer has no body");
    yield* pieces(url, sseData(response.body));
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    signal.throwIfAborted();
    throw noAnswer(url, thrown);
  }
}

async function* pieces(url: string, frames: AsyncIterable<string>): AsyncGenerator<ChatPiece> {
  let finishReason = "stop";
  let usage: Usage | null = null;
  for await (const data of frames) {
    if (data === "[DONE]") {
      yield { kind: "end", finishReason, usage };
      return;
    }
    const frame = parseFrame(url, data);
    usage = frame.usage ?? usage;
    const [choice] = frame.choices;
    finishReason = choice?.finish_reason ?? finishReason;
    const { reasoning_content, content } = choice?.delta ?? {};
    if (reasoning_content) yield { kind: "reasoning", text: reasoning_content };
    if (content) yield { kind: "text", text: content };
  }
  const message = `The answer of ${url} broke off; ask again.`;
  throw new CliError(EXIT_CODES.temporary.code, "stream_broken", message);
}

function parseFrame(url: string, data: string): z.infer<typeof frameSchema> {
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    throw unexpected(url, "a frame of the stream is not JSON");
  }
  const checked = frameSchema.safeParse(frame);
  if (checked.success) return checked.data;
  // After HTTP 200 an error can only come as a frame.
  throw refusal(url, 200, frame, "api");
}
