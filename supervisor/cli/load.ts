import { setTimeout as wait } from "node:timers/promises";
import { type LoadResult, loadResultSchema, type ModelDetail, modelListSchema } from "../../shared/admin.ts";
import {
  type AdminClient,
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connect,
  exitCodeOf,
} from "./admin-client.ts";
import { CliError, type CliIo, type Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatBytes, formatDuration, printable } from "./printable.ts";

const POLL_MS = 300;
/** A quicker load needs no progress. */
const QUIET_MS = 2_000;
/** A load that has not begun after this many polls will not: the supervisor only looks at the disk before it. */
const POLLS_UNTIL_BEGUN = 30;

/** The answer to a load nobody waits for has no figures yet. */
const acceptedSchema = loadResultSchema.extend({
  load_seconds: loadResultSchema.shape.load_seconds.default(null),
  memory_bytes: loadResultSchema.shape.memory_bytes.default(null),
  checks: loadResultSchema.shape.checks.default([]),
});

export const loadCommand: Command = {
  name: "load",
  arguments: ["model"],
  summary: "load a model and wait until it serves",
  options: { ...CONNECTION_OPTIONS },
  help: `Loads a model by id or alias and waits until it answered its test prompt and serves, however long that takes.
Ctrl-C stops the waiting, not the load.

Options:
${CONNECTION_HELP}

Examples:
  lmx load lmx-demo
  lmx load mlx-community/Llama-3.2-3B-Instruct-4bit --json`,
  run: async (input) => {
    const { io, positionals, values } = input;
    const [model = ""] = positionals;
    const result = await loadAndWait(connect(input), model, io);
    io.stdout.write(values.json === true ? `${JSON.stringify(result, null, 2)}\n` : sentence(result));
    return EXIT_CODES.ok.code;
  },
};

/**
 * Asks for the load and watches it. One long request would not do: Node's fetch gives up on an answer's headers after
 * 300 s, and a large model takes longer.
 */
async function loadAndWait(client: AdminClient, model: string, io: CliIo): Promise<LoadResult> {
  const now = io.now ?? Date.now;
  const startedAt = now();
  const accepted = await client.post("/admin/models/load", { model_id: model, wait: false }, acceptedSchema);
  if (accepted.readiness.state === "routable") return accepted;
  const progress = progressLine(io);
  try {
    for (let polls = 0; ; polls += 1) {
      const detail = await find(client, accepted.model_id);
      if (detail.readiness.state === "routable") return finished(accepted, detail, now() - startedAt);
      if (hasEnded(detail, accepted, polls)) throw failure(detail);
      const elapsedMs = now() - startedAt;
      if (elapsedMs >= QUIET_MS) {
        progress.show(`${printable(detail.id)}: ${detail.readiness.state}, ${formatDuration(elapsedMs)}`);
      }
      await (io.delay ?? wait)(POLL_MS);
    }
  } finally {
    progress.clear();
  }
}

/** The accepted load may not have begun yet: a state from before it says nothing until it has stayed for a while. */
function hasEnded({ readiness }: ModelDetail, accepted: LoadResult, polls: number): boolean {
  if (readiness.state !== "unloaded" && readiness.state !== "quarantined") return false;
  const isFromBefore =
    readiness.state === accepted.readiness.state && readiness.since === accepted.readiness.since;
  return !isFromBefore || polls >= POLLS_UNTIL_BEGUN;
}

async function find(client: AdminClient, id: string): Promise<ModelDetail> {
  const { data } = await client.get("/admin/models", modelListSchema);
  const detail = data.find((model) => model.id === id);
  if (detail !== undefined) return detail;
  throw new CliError(
    EXIT_CODES.noModel.code,
    "model_not_found",
    `${printable(id)} is no longer there: its directory went away.`,
  );
}

function finished(accepted: LoadResult, { readiness, worker }: ModelDetail, elapsedMs: number): LoadResult {
  return {
    ...accepted,
    readiness,
    load_seconds: elapsedMs / 1_000,
    memory_bytes: worker?.memory_bytes ?? null,
  };
}

function failure({ id, readiness }: ModelDetail): CliError {
  const { reason, state } = readiness;
  if (reason === null) {
    return new CliError(
      EXIT_CODES.failed.code,
      "unloaded",
      `${printable(id)} is unloaded: it was taken back before it could serve, or never begun; the supervisor's log says more.`,
    );
  }
  const message = printable(`${id} is ${state}: ${reason.message}`);
  return new CliError(exitCodeOf(reason.code, 0), reason.code, message, { model_id: id, readiness });
}

function sentence({ model_id, load_seconds, memory_bytes, checks }: LoadResult): string {
  const facts = [
    ...(load_seconds === null ? [] : [`${load_seconds.toFixed(1)} s`]),
    ...(memory_bytes === null ? [] : [formatBytes(memory_bytes)]),
  ];
  const warnings = checks
    .filter(({ status }) => status !== "pass")
    .map(({ name, detail }) => `  ${name}: ${detail}\n`);
  const inBrackets = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return `${printable(model_id)} is routable${inBrackets}\n${warnings.map(printableLine).join("")}`;
}

function printableLine(line: string): string {
  return `${printable(line.trimEnd())}\n`;
}

interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** One line on a terminal that overwrites itself; nothing anywhere else. */
function progressLine(io: CliIo): ProgressLine {
  let shown = false;
  return {
    show: (text) => {
      if (!io.isTTY) return;
      io.stderr.write(`\r\u001b[2K${text}`);
      shown = true;
    },
    clear: () => {
      if (shown) io.stderr.write("\r\u001b[2K");
    },
  };
}
