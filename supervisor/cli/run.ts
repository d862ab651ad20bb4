import { adminClient } from "./admin-client.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { chat } from "./chat.ts";
import {
  CliError,
  type CliInput,
  type CliValues,
  type Command,
  type CommandInput,
  numberOption,
  textOption,
} from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS, findSupervisor } from "./find-supervisor.ts";
import { loadAndWait } from "./load-and-wait.ts";
import { readPiped } from "./read-piped.ts";
import { type ChatMessage, type ChatPiece, type ChatQuestion, streamChat } from "./stream-chat.ts";
import { stylesFor } from "./styles.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

export const runCommand: Command = {
  name: "run",
  arguments: ["model"],
  rest: "prompt",
  summary: "talk with a model in the terminal, or ask it one thing",
  options: {
    ...CONNECTION_OPTIONS,
    "api-key": { type: "string" },
    system: { type: "string" },
    temperature: { type: "string" },
    "max-tokens": { type: "string" },
    seed: { type: "string" },
  },
  help: `Without a prompt, a conversation: Ctrl-C stops an answer, a second one leaves. With a prompt, or with text piped in,
one answer; into a pipe or a file goes nothing but the answer. A prompt and piped text together: the prompt comes
first. A model that is not loaded is loaded first.

Options:
  --system TEXT     what the model is told before anything else
  --temperature T   0 always takes the likeliest token, 2 is wild (default: the model's own)
  --max-tokens N    the answer ends after so many tokens
  --seed N          the same seed, prompt and model give the same answer
${CONNECTION_HELP}
  --api-key KEY     with --url: its key for /v1 (OPTA_LMX_API_KEYS)

Examples:
  lmx run lmx-demo
  lmx run lmx-demo "Tell me a story" --max-tokens 50
  git diff | lmx run org/coder "Write a commit message for this change"`,
  run: async (input) => {
    const { positionals, values, io } = input;
    const [model = "", ...words] = positionals;
    const settings = generationSettings(values);
    const prompt = await promptOf(words.join(" "), io.stdin);
    const address = findSupervisor(input);
    if (prompt !== null) {
      if (prompt.trim() === "") throw usageError("The prompt is empty.");
      const question = { model: await makeReady(address, model, input), ...settings };
      return await askOnce(input, address, question, prompt);
    }
    if (io.stdin === undefined || io.stdout.isTTY !== true || values.json === true) {
      throw usageError("A conversation needs a terminal; give a prompt or pipe one in.");
    }
    const question = { model: await makeReady(address, model, input), ...settings };
    return await chat({ address, question, system: textOption(values, "system"), io, stdin: io.stdin });
  },
};

function generationSettings(values: CliValues): Omit<ChatQuestion, "model" | "messages"> {
  const temperature = numberOption(values, "temperature", { min: 0, max: 2 });
  const maxTokens = numberOption(values, "max-tokens", { min: 1, max: 10_000_000, whole: true });
  const seed = numberOption(values, "seed", { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true });
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** Null: a conversation is wanted. */
async function promptOf(words: string, stdin: CliInput | undefined): Promise<string | null> {
  const isTerminal = stdin === undefined || stdin.isTTY === true;
  if (words === "") return isTerminal ? null : await readPiped(stdin, "always");
  const piped = isTerminal ? "" : await readPiped(stdin, "if-piped");
  return piped === "" ? words : `${words}\n\n${piped}`;
}

/** Loads the model if need be; without the right to, the answer will tell whether it serves. Returns its id. */
async function makeReady(address: SupervisorAddress, model: string, { io }: CommandInput): Promise<string> {
  try {
    return (await loadAndWait(adminClient(address), model, io)).model_id;
  } catch (error) {
    const isLocked = error instanceof CliError && error.exitCode === EXIT_CODES.permission.code;
    if (isLocked && address.adminKey === undefined) return model;
    throw error;
  }
}

async function askOnce(
  { io, values }: CommandInput,
  address: SupervisorAddress,
  question: Omit<ChatQuestion, "messages">,
  prompt: string,
): Promise<number> {
  const asJson = values.json === true;
  const system = textOption(values, "system");
  const messages: ChatMessage[] = [
    ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
    { role: "user", content: prompt },
  ];
  const output = asJson ? { write: () => {} } : io.stdout;
  const writer = new AnswerWriter(output, stylesFor(io.stdout, io.env), io.stdout.isTTY === true);
  let end: Extract<ChatPiece, { kind: "end" }> | null = null;
  for await (const piece of streamChat(address, { ...question, messages }, new AbortController().signal)) {
    if (piece.kind === "end") end = piece;
    else writer.write(piece);
  }
  writer.end();
  if (asJson) {
    const { content, reasoning } = writer.answer;
    const { finishReason = "stop", usage = null } = end ?? {};
    const answer = { model: question.model, content, reasoning, finish_reason: finishReason, usage };
    io.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  }
  return EXIT_CODES.ok.code;
}

function usageError(message: string): CliError {
  return new CliError(EXIT_CODES.usage.code, "usage", `${message} "lmx run --help" explains it.`);
}
