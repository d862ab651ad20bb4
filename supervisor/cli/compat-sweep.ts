import { setTimeout as wait } from "node:timers/promises";
import {
  type SweepResult,
  type SweepStatus,
  sweepAcceptedSchema,
  sweepStatusSchema,
} from "../../shared/admin-sweep.ts";
import { type AdminClient, connect } from "./admin-client.ts";
import { CliError, type CliIo, type Command, type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { listenForInterrupt } from "./listen-for-interrupt.ts";
import { printable } from "./printable.ts";
import { progressLine } from "./progress-line.ts";
import { stylesFor } from "./styles.ts";
import { sweepModel } from "./sweep-model.ts";
import { sweepCounts, sweepTable, unexpectedFailures } from "./sweep-table.ts";

const PATH = "/admin/models/compatibility/sweep";
const POLL_MS = 500;

export const compatSweepCommand: Command = {
  name: "compat sweep",
  arguments: [],
  summary: "try every architecture of the installed mlx_lm, or one real model, and record how it went",
  options: {
    ...CONNECTION_OPTIONS,
    arch: { type: "string" },
    model: { type: "string", short: "m" },
    force: { type: "boolean" },
  },
  help: `The supervisor builds a small model with made-up weights for each architecture, loads it in a process of its own, asks
it for a few tokens, and records a pass or a fail under "reduced/<architecture>". It shows that the runtime can compute
the architecture, not that real weights are sound: a reduced pass never lets a blocked model in. What has passed on
this runtime already is skipped. One load at a time: loads you ask for meanwhile take their turn, and what serves goes
on serving.

With --model the same is done with the real weights of one model on this machine: it is loaded past the runtime
blocklist, which is written down, tested, recorded, and unloaded again unless it was loaded before. Its pass does let it
in from then on.

Ctrl-C ends the sweep; what was recorded stays. The exit code is 0 when all is as expected: architectures with a known
limit may fail. It is 1 when another one fails.

Options:
  --arch A,B        only these architectures
  --force           try again what has passed already
  -m, --model ID    instead, this model's real weights
${CONNECTION_HELP}

Examples:
  lmx compat sweep
  lmx compat sweep --arch glm4_moe,glm_moe_dsa,kimi_k2,minimax_m2 --force
  lmx compat sweep --model org/GLM-5-4bit
  lmx compat sweep --json | jq -r '.results[] | select(.outcome == "fail") | [.arch, .reason] | @tsv'`,
  run: async (input) => {
    const model = textOption(input.values, "model");
    return model === undefined
      ? await sweepArchitectures(input)
      : await sweepModel(input, checked(model, input));
  },
};

function checked(model: string, { values }: CommandInput): string {
  if (values.arch === undefined && values.force === undefined && model !== "") return model;
  const message = "--model: expected one model id, and neither --arch nor --force beside it.";
  throw new CliError(EXIT_CODES.usage.code, "usage", message);
}

async function sweepArchitectures(input: CommandInput): Promise<number> {
  const { io, values } = input;
  const status = await sweep(connect(input), requestOf(input), io);
  io.stdout.write(values.json === true ? `${JSON.stringify(status, null, 2)}\n` : textOf(status, io));
  const isAsExpected = status.state === "done" && unexpectedFailures(status.results).length === 0;
  return isAsExpected ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

function requestOf({ values }: CommandInput): object {
  const archs = textOption(values, "arch")
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (archs?.length === 0) {
    const message = `--arch: expected names separated by commas, got none. "lmx compat sweep --help" explains it.`;
    throw new CliError(EXIT_CODES.usage.code, "usage", message);
  }
  return { ...(archs && { archs }), ...(values.force === true && { force: true }) };
}

/** Starts it and watches it to its end; an interrupt ends it on the supervisor. @throws CliError */
async function sweep(client: AdminClient, request: object, io: CliIo): Promise<SweepStatus> {
  const interrupt = listenForInterrupt();
  const progress = progressLine(io);
  try {
    const { id } = await client.post(PATH, request, sweepAcceptedSchema);
    for (;;) {
      if (interrupt.signal.aborted) return await client.post(`${PATH}/cancel`, {}, sweepStatusSchema);
      const status = await client.get(PATH, sweepStatusSchema);
      if (status.id !== id) throw lost(id);
      if (status.state !== "running") return status;
      progress.show(progressText(status));
      await Promise.race([(io.delay ?? wait)(POLL_MS), interrupt.happened]);
    }
  } finally {
    progress.clear();
    interrupt.stop();
  }
}

function progressText({ done, total, current, results }: SweepStatus): string {
  const failed = unexpectedFailures(results).length;
  const trouble = failed === 0 ? "" : `, ${failed} failed`;
  return `${done}/${total}${trouble}  ${printable(current ?? "")}`;
}

function lost(id: string): CliError {
  return new CliError(
    EXIT_CODES.temporary.code,
    "sweep_lost",
    `The supervisor knows nothing of sweep ${printable(id)} any more: it was started anew, or another sweep began. What was recorded stays; "lmx compat sweep" goes on from there.`,
  );
}

function textOf(status: SweepStatus, io: CliIo): string {
  const { state, results, total, runtime } = status;
  const lines = results.map((result) => ({ ...result, name: result.arch, reason: remarkOf(result) }));
  const counts = sweepCounts(results);
  const cut = state === "cancelled" ? `Cancelled after ${results.length} of ${total}: ` : "";
  const on =
    runtime === null
      ? ""
      : ` on ${runtime.backend} ${runtime.backend_version}, mlx ${runtime.mlx_version}, Python ${runtime.python_version}, ${runtime.platform}`;
  const table = sweepTable("ARCHITECTURE", lines, stylesFor(io.stdout, io.env));
  return [...table, "", `${cut}${counts}${printable(on)}`, ""].join("\n");
}

/** What does not stop it here may stop it elsewhere, or beside a second request. */
function remarkOf({ outcome, reason, limit }: SweepResult): string | null {
  return outcome === "pass" && limit !== null ? `known limit: ${limit.reason}` : reason;
}
