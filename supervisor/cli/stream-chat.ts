import { z } from "zod";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import { CliError } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { readJson, sendRequest } from "./send-request.ts";
import { sseData } from "./sse-data.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

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
  address: SupervisorAddress,
  question: ChatQuestion,
  signal: AbortSignal,
): AsyncGenerator<ChatPiece> {
  const { name, apiKey } = address;
  try {
    const { status, body } = await sendRequest(address, {
      method: "POST",
      path: "/v1/chat/completions",
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
      body: { ...question, stream: true, stream_options: { include_usage: true } },
      signal,
    });
    if (status !== 200) throw refusal(name, status, await readJson(body), "api");
    yield* pieces(name, sseData(body));
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    signal.throwIfAborted();
    throw noAnswer(address, thrown);
  }
}

async function* pieces(name: string, frames: AsyncIterable<string>): AsyncGenerator<ChatPiece> {
  let finishReason = "stop";
  let usage: Usage | null = null;
  for await (const data of frames) {
    if (data === "[DONE]") {
      yield { kind: "end", finishReason, usage };
      return;
    }
    const frame = parseFrame(name, data);
    usage = frame.usage ?? usage;
    const [choice] = frame.choices;
    finishReason = choice?.finish_reason ?? finishReason;
    const { reasoning_content, content } = choice?.delta ?? {};
    if (reasoning_content) yield { kind: "reasoning", text: reasoning_content };
    if (content) yield { kind: "text", text: content };
  }
  const message = `The answer of ${name} broke off; ask again.`;
  throw new CliError(EXIT_CODES.temporary.code, "stream_broken", message);
}

function parseFrame(name: string, data: string): z.infer<typeof frameSchema> {
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    throw unexpected(name, "a frame of the stream is not JSON");
  }
  const checked = frameSchema.safeParse(frame);
  if (checked.success) return checked.data;
  // After HTTP 200 an error can only come as a frame.
  throw refusal(name, 200, frame, "api");
}
