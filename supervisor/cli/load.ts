import type { LoadResult } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { type Command, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { loadAndWait } from "./load-and-wait.ts";
import { ACTION_HELP, ACTION_OPTIONS } from "./model-action.ts";
import { formatBytes, printable } from "./printable.ts";
import { probeAndPrint } from "./probe.ts";

export const loadCommand: Command = {
  name: "load",
  arguments: ["model"],
  summary: "load a model and wait until it serves",
  options: {
    ...ACTION_OPTIONS,
    "dry-run": { type: "boolean" },
    "allow-unsupported-runtime": { type: "boolean" },
    "override-safe-mode": { type: "boolean" },
  },
  help: `Loads a model by id or alias and waits until it answered its test prompt and serves, however long that takes.
Ctrl-C stops the waiting, not the load.

Options:
  --dry-run         only check, as "lmx probe" does: the same list, the same exit codes, and nothing is loaded
  --allow-unsupported-runtime  go past the runtime blocklist and refusing advisories; the supervisor writes that down
  --override-safe-mode  load it in safe mode too; the service stays in safe mode
${ACTION_HELP}

Examples:
  lmx load lmx-demo
  lmx load mlx-community/Llama-3.2-3B-Instruct-4bit --json
  lmx load org/model --dry-run`,
  run: async (input) => {
    const { io, positionals, values } = input;
    if (values["dry-run"] === true) return await probeAndPrint(input);
    const [model = ""] = positionals;
    const allowUnsupportedRuntime = values["allow-unsupported-runtime"] === true;
    const overrideSafeMode = values["override-safe-mode"] === true;
    const options = { allowUnsupportedRuntime, overrideSafeMode, reason: textOption(values, "reason") };
    const result = await loadAndWait(connect(input), model, io, options);
    io.stdout.write(values.json === true ? `${JSON.stringify(result, null, 2)}\n` : sentence(result));
    return EXIT_CODES.ok.code;
  },
};

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
