import { setTimeout as wait } from "node:timers/promises";
import { type ModelDetail, modelListSchema } from "../../shared/admin.ts";
import type { AdminClient } from "./admin-client.ts";
import { CliError, type CommandInput } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { openLiveScreen } from "./live-screen.ts";
import { psTable } from "./ps-table.ts";
import { type Styles, stylesFor } from "./styles.ts";

const INTERVAL_MS = 1_000;

/** One look at the supervisor: its models, or why it did not tell. */
type Look =
  | { readonly kind: "models"; readonly models: readonly ModelDetail[] }
  | { readonly kind: "problem"; readonly error: CliError };

/**
 * Shows the models again and again, through restarts of the supervisor too: in place on a terminal, elsewhere once per
 * change. Only the first look may fail.
 * @returns the exit code, when the user leaves a terminal
 * @throws CliError
 */
export async function watchPs(input: CommandInput, client: AdminClient): Promise<number> {
  const first = await look(client);
  if (first.kind === "problem") throw first.error;
  const isLive = input.io.stdout.isTTY === true && input.values.json !== true;
  return isLive ? await redraw(input, client, first) : await printChanges(input, client, first);
}

async function redraw(input: CommandInput, client: AdminClient, first: Look): Promise<number> {
  const { io } = input;
  const styles = stylesFor(io.stdout, io.env);
  const screen = openLiveScreen(io);
  let last = first;
  try {
    for (let isOver = false; !isOver; ) {
      screen.show([headLine(client.name, styles), "", ...bodyLines(last, input, styles)]);
      isOver = await Promise.race([pause(input).then(() => false), screen.left.then(() => true)]);
      if (!isOver) last = await Promise.race([look(client), screen.left.then(() => last)]);
    }
  } finally {
    screen.close();
  }
  // What was on the screen last stays readable after it is given back.
  io.stdout.write(`${bodyLines(last, input, styles).join("\n")}\n`);
  return EXIT_CODES.ok.code;
}

async function printChanges(input: CommandInput, client: AdminClient, first: Look): Promise<never> {
  const { io, values } = input;
  const styles = stylesFor(io.stdout, io.env);
  let before = "";
  for (let latest = first; ; latest = await look(client)) {
    const state = essence(latest);
    if (state !== before) {
      const text = values.json === true ? jsonLine(latest) : bodyLines(latest, input, styles).join("\n");
      io.stdout.write(`${text}\n${values.json === true ? "" : "\n"}`);
    }
    before = state;
    await pause(input);
  }
}

async function look(client: AdminClient): Promise<Look> {
  try {
    const { data } = await client.get("/admin/models", modelListSchema);
    return { kind: "models", models: data };
  } catch (error) {
    if (error instanceof CliError) return { kind: "problem", error };
    throw error;
  }
}

async function pause({ io }: CommandInput): Promise<void> {
  await (io.delay ?? wait)(INTERVAL_MS);
}

function headLine(name: string, styles: Styles): string {
  return styles.dim(`${name}  every second, q leaves`);
}

function bodyLines(latest: Look, { io, values }: CommandInput, styles: Styles): string[] {
  if (latest.kind === "problem") return latest.error.message.split("\n").map(styles.yellow);
  const now = io.now?.() ?? Date.now();
  return psTable(latest.models, { all: values.all === true, now, styles });
}

/** What makes two looks different; figures that always move do not. */
function essence(latest: Look): string {
  if (latest.kind === "problem") return latest.error.code;
  return JSON.stringify(
    latest.models.map(({ id, readiness, worker }) => [id, { ...readiness, since: "" }, worker?.pid ?? null]),
  );
}

function jsonLine(latest: Look): string {
  return JSON.stringify(
    latest.kind === "models"
      ? { object: "list", data: latest.models }
      : { error: { code: latest.error.code, message: latest.error.message } },
  );
}
