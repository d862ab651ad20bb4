import { setTimeout as wait } from "node:timers/promises";
import type { ServiceEvent } from "../../shared/events.ts";
import { CliError, type CliIo, type Command, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { ADDRESS_HELP, CONNECTION_OPTIONS, findSupervisor } from "./find-supervisor.ts";
import { printable } from "./printable.ts";
import { streamEvents } from "./stream-events.ts";
import { type Styles, stylesFor } from "./styles.ts";

/** Before a broken connection is tried again. */
const RETRY_MS = 1_000;

export const eventsCommand: Command = {
  name: "events",
  arguments: [],
  summary: "list what happened to the service and its models, or go on as it happens",
  options: {
    ...CONNECTION_OPTIONS,
    follow: { type: "boolean", short: "f" },
    model: { type: "string", short: "m" },
  },
  help: `Every change of a model's state with its reason, progress of loads, canaries, workers that start and end,
quarantines, safe mode, and a Python runtime or a disk that fails. A supervisor keeps its last 2000 events; what
mattered in earlier runs is in "lmx logs". With --follow a connection that breaks is tried again, and what was missed is
shown.

Options:
  -f, --follow      go on with events as they happen, until Ctrl-C
  -m, --model ID    only about this model
${ADDRESS_HELP}
  --json            print each event as one line of JSON

Examples:
  lmx events --follow
  lmx events --model lmx-demo --json | jq -r 'select(.type == "worker_exited") | .details.cause'`,
  run: async (input) => {
    const { io, values } = input;
    const address = findSupervisor(input);
    const model = textOption(values, "model");
    const styles = stylesFor(io.stdout, io.env);
    const show = (event: ServiceEvent) => {
      const text = values.json === true ? JSON.stringify(event) : eventLine(event, styles);
      if (text !== null) io.stdout.write(`${text}\n`);
    };
    const seen = await showKept(address, model, show);
    if (values.follow === true) await showComing(address, model, seen, show, io);
    return EXIT_CODES.ok.code;
  },
};

type Address = Parameters<typeof streamEvents>[0];
type Show = (event: ServiceEvent) => void;

/** @returns the number of the last event there is */
async function showKept(address: Address, model: string | undefined, show: Show): Promise<number> {
  let last = 0;
  for await (const event of streamEvents(address, { model, after: 0, follow: false })) {
    last = event.id;
    // Everything that is kept was asked for: that there was more once is no news.
    if (event.type !== "reset") show(event);
  }
  return last;
}

/** Goes on until the process is ended; a supervisor that comes back is heard again. */
async function showComing(
  address: Address,
  model: string | undefined,
  after: number,
  show: Show,
  io: CliIo,
): Promise<never> {
  let last = after;
  for (;;) {
    try {
      for await (const event of streamEvents(address, { model, after: last, follow: true })) {
        last = event.id;
        show(event);
      }
    } catch (error) {
      // Nobody answers for now; a refusal, such as of the key, would stay one.
      if (!(error instanceof CliError) || error.exitCode !== EXIT_CODES.unavailable.code) throw error;
    }
    await (io.delay ?? wait)(RETRY_MS);
  }
}

/** `10:00:00.000  org/model  loading -> routable`. */
function eventLine({ ts, type, model, reason, details }: ServiceEvent, styles: Styles): string {
  const subject = model === null ? "" : `${printable(model)}  `;
  const what = printable(WORDS[type]?.(details) ?? `${type} ${JSON.stringify(details)}`);
  const why = reason === null ? "" : `: ${printable(reason.message)}`;
  const paint = styleOf(type, details, styles);
  return `${styles.dim(ts.slice(0, 23).replace("T", " "))}  ${subject}${paint(what)}${why}`;
}

type Details = ServiceEvent["details"];

const WORDS: Readonly<Record<string, (details: Details) => string>> = {
  state: ({ from, to, detail }) => `${from} -> ${to}${detail === null ? "" : ` (${String(detail)})`}`,
  load_progress: ({ phase, loaded_bytes, total_bytes }) => {
    const share = Number(loaded_bytes) / Number(total_bytes);
    return `loading ${String(phase)}${Number.isFinite(share) ? ` ${Math.round(share * 100)} %` : ""}`;
  },
  canary: ({ outcome, warning }) =>
    `canary ${outcome === "pass" ? "passed" : "failed"}${typeof warning === "string" ? ` (${warning})` : ""}`,
  worker_started: ({ pid, restart }) => `worker ${String(pid)} started${restart === true ? " again" : ""}`,
  worker_exited: ({ pid, cause, dossier_id }) =>
    `worker ${String(pid)} ended, ${String(cause)}${typeof dossier_id === "string" ? `, dossier ${dossier_id}` : ""}`,
  quarantined: ({ until }) => `quarantined${typeof until === "string" ? ` until ${until}` : ""}`,
  released: () => "released",
  override: ({ overridden }) => `limits overridden: ${[overridden].flat().join(", ")}`,
  auto_load_skipped: () => "not loaded unasked",
  config_reloaded: ({ applied, needs_restart }) => {
    const [now, later] = [[applied].flat(), [needs_restart].flat()];
    const rest = later.length === 0 ? "" : `; at the next start: ${later.join(", ")}`;
    return `configuration reloaded: ${now.length === 0 ? "nothing has changed" : now.join(", ")}${rest}`;
  },
  config_refused: () => "the configuration was not reloaded",
  safe_mode_entered: ({ message }) => `safe mode: ${String(message)}`,
  safe_mode_left: () => "safe mode is over",
  runtime_broken: () => "the Python runtime cannot start workers",
  runtime_mended: () => "the Python runtime starts workers",
  registry_degraded: ({ degraded }) => `in memory only: ${[degraded].flat().join("; ")}`,
  registry_restored: () => "the disk has everything again",
  reset: () => "events were missed",
};

function styleOf(type: string, { cause, outcome, to }: Details, styles: Styles): (text: string) => string {
  const isBad = ["quarantined", "safe_mode_entered", "runtime_broken", "registry_degraded"].includes(type);
  if (isBad || outcome === "fail" || (type === "worker_exited" && cause !== "stopped")) return styles.red;
  if (type === "override" || type === "reset" || type === "config_refused" || type === "auto_load_skipped")
    return styles.yellow;
  return to === "routable" ? styles.green : (text) => text;
}
