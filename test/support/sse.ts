/** The data lines of an event stream, as they come. */
export async function* sseData(response: Response): AsyncGenerator<string> {
  let pending = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    pending += decoder.decode(chunk, { stream: true });
    for (let end = pending.indexOf("\n\n"); end !== -1; end = pending.indexOf("\n\n")) {
      const event = pending.slice(0, end);
      pending = pending.slice(end + 2);
      for (const line of event.split("\n")) if (line.startsWith("data: ")) yield line.slice(6);
    }
  }
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta: { readonly content?: string | null };
    readonly finish_reason: string | null;
  }[];
  readonly error?: { readonly code: string; readonly type: string; readonly message: string };
}

export interface StreamResult {
  readonly text: string;
  readonly finishReasons: readonly string[];
  readonly errors: readonly string[];
  readonly done: boolean;
}

/** Reads a chat stream to its end; `onText` hears the text so far after every delta. */
export async function readChatStream(
  response: Response,
  onText: (text: string) => void = () => {},
): Promise<StreamResult> {
  let text = "";
  let done = false;
  const finishReasons: string[] = [];
  const errors: string[] = [];
  for await (const data of sseData(response)) {
    if (data === "[DONE]") {
      done = true;
      continue;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) errors.push(chunk.error.code);
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason) finishReasons.push(choice.finish_reason);
    if (choice?.delta.content) {
      text += choice.delta.content;
      onText(text);
    }
  }
  return { text, finishReasons, errors, done };
}
