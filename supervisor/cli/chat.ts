import { AnswerWriter } from "./answer-writer.ts";
import { CliError, type CliInput, type CliIo } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { LineReader } from "./line-reader.ts";
import { type ChatMessage, type ChatPiece, type ChatQuestion, streamChat } from "./stream-chat.ts";
import { type Styles, stylesFor } from "./styles.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

const COMMANDS: Readonly<Record<string, string>> = {
  "/help": "this list",
  "/clear": "forget the conversation",
  "/exit": "leave (or Ctrl-C, or Ctrl-D)",
};

const PROMPT = ">>> ";

/** An answer that came at once has no speed worth telling. */
const MEASURABLE_MS = 50;

export interface ChatOptions {
  readonly address: SupervisorAddress;
  readonly question: Omit<ChatQuestion, "messages">;
  readonly system: string | undefined;
  readonly io: CliIo;
  readonly stdin: CliInput;
}

/** Talks with a model in the terminal until the user leaves. Resolves with the exit code. */
export async function chat(options: ChatOptions): Promise<number> {
  const { io, stdin, question } = options;
  const styles = stylesFor(io.stdout, io.env);
  const reader = new LineReader(stdin, io.stdout, Object.keys(COMMANDS));
  io.stdout.write(`${question.model}  ${styles.dim("/help for commands, Ctrl-C stops an answer")}\n`);
  let history: readonly ChatMessage[] = [];
  try {
    for (;;) {
      const message = await reader.next(PROMPT);
      if (message === null || message === "/exit") return EXIT_CODES.ok.code;
      if (message.trim() === "") continue;
      if (/^\/[a-z]+$/.test(message)) {
        if (message === "/clear") history = [];
        io.stdout.write(commandOutput(message, styles));
        continue;
      }
      history = await answer(options, reader, styles, [...history, { role: "user", content: message }]);
    }
  } finally {
    reader.close();
    io.stdout.write("\n");
  }
}

function commandOutput(command: string, { dim }: Styles): string {
  if (command === "/clear") return `${dim("The model has forgotten the conversation.")}\n`;
  const lines = Object.entries(COMMANDS).map(([name, meaning]) => `${name.padEnd(8)}${dim(meaning)}\n`);
  const more = `A \\ at the end of a line continues the message on the next.\n`;
  if (command === "/help") return lines.join("") + dim(more);
  return `There is no ${command}; /help lists the commands.\n`;
}

/** Shows the answer to the last message and returns the history to go on with. */
async function answer(
  { address, question, system, io }: ChatOptions,
  reader: LineReader,
  styles: Styles,
  history: readonly ChatMessage[],
): Promise<readonly ChatMessage[]> {
  const abort = new AbortController();
  const writer = new AnswerWriter(io.stdout, styles, true);
  const messages =
    system === undefined ? history : [{ role: "system" as const, content: system }, ...history];
  const stopwatch = new Stopwatch();
  let note = "";
  await reader.during(
    () => abort.abort(),
    async () => {
      try {
        for await (const piece of streamChat(address, { ...question, messages }, abort.signal)) {
          if (piece.kind === "end") note = stopwatch.note(piece);
          else stopwatch.piece();
          if (piece.kind !== "end") writer.write(piece);
        }
      } catch (error) {
        if (!abort.signal.aborted && !(error instanceof CliError)) throw error;
        note = abort.signal.aborted ? "stopped" : (error as CliError).message;
      }
    },
  );
  writer.end();
  if (note !== "") io.stdout.write(`${styles.dim(note)}\n`);
  io.stdout.write("\n");
  const { content } = writer.answer;
  // A question nothing came of is asked again or not at all.
  return content === "" ? history.slice(0, -1) : [...history, { role: "assistant", content }];
}

/** How fast an answer came. */
class Stopwatch {
  readonly #startedAt = performance.now();
  #firstAt: number | null = null;

  piece(): void {
    this.#firstAt ??= performance.now();
  }

  note({ usage, finishReason }: Extract<ChatPiece, { kind: "end" }>): string {
    const tokens = usage?.completion_tokens ?? 0;
    if (this.#firstAt === null || tokens === 0) return "";
    const [first, whole] = [this.#firstAt - this.#startedAt, performance.now() - this.#startedAt];
    const decodeMs = whole - first;
    const speed = decodeMs >= MEASURABLE_MS ? `, ${Math.round((tokens - 1) / (decodeMs / 1_000))}/s` : "";
    const cut = finishReason === "length" ? ", cut at the limit of tokens" : "";
    return `${tokens} tokens${speed}, the first after ${(first / 1_000).toFixed(2)} s${cut}`;
  }
}
