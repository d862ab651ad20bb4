import { type ModelDetail, modelListSchema } from "../../shared/admin.ts";
import { ConfigError } from "../config/config-problem.ts";
import { type LoadedConfig, loadConfig } from "../config/load-config.ts";
import { connect } from "./admin-client.ts";
import { CliError, type CliIo, type Command, type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS, namedUrl } from "./find-supervisor.ts";
import { localCatalogue } from "./local-catalogue.ts";
import { formatBytes, formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

/** A model on disk; without a running supervisor nothing is known of its readiness. */
type ListedModel = Pick<
  ModelDetail,
  "id" | "path" | "model_type" | "size_bytes" | "context_length" | "digest"
> &
  Partial<Pick<ModelDetail, "readiness">>;

export const modelsCommand: Command = {
  name: "models",
  arguments: [],
  summary: "list every model on disk, with its size, context and state",
  options: { ...CONNECTION_OPTIONS, config: { type: "string" }, quiet: { type: "boolean", short: "q" } },
  help: `Lists what a running supervisor can serve. When none runs, looks at the disk itself: in the state directory's
models, model_roots, the Hugging Face cache and LM Studio's folder. docs/models.md says which comes first.

Options:
  -q, --quiet       only ids and aliases, one a line
  --config FILE     the configuration with the aliases and the places to look in
${CONNECTION_HELP}

Examples:
  lmx models
  lmx models --json | jq '.data | max_by(.size_bytes)'`,
  run: async (input) => {
    const { io, values } = input;
    const running = await fromSupervisor(input);
    const local = localConfig(input, running !== null);
    const models = running ?? (await fromDisk(local, io));
    const aliases = local?.config.aliases ?? {};
    if (values.json === true) {
      const answer = { object: "list", supervisor: running !== null, data: models, aliases };
      io.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      return EXIT_CODES.ok.code;
    }
    if (values.quiet === true) {
      const names = [...models.map(({ id }) => id), ...Object.keys(aliases)];
      io.stdout.write(names.map((name) => `${printable(name)}\n`).join(""));
      return EXIT_CODES.ok.code;
    }
    const lines = [
      ...table(models, stylesFor(io.stdout, io.env)),
      ...Object.entries(aliases).map(([alias, id]) => printable(`${alias} is an alias of ${id}`)),
    ];
    io.stdout.write(`${lines.join("\n")}\n`);
    if (running === null) io.stderr.write("No supervisor runs here, so states are unknown: lmx serve\n");
    return EXIT_CODES.ok.code;
  },
};

/** Null: none runs on this state directory. One that was named must answer. */
async function fromSupervisor(input: CommandInput): Promise<ListedModel[] | null> {
  try {
    return (await connect(input).get("/admin/models", modelListSchema)).data;
  } catch (error) {
    const isNamed = namedUrl(input) !== null;
    if (!isNamed && error instanceof CliError && error.code === "no_supervisor") return null;
    throw error;
  }
}

/** Null: another supervisor was named, or this one runs although its file is broken by now. @throws ConfigError */
function localConfig(input: CommandInput, isRunning: boolean): LoadedConfig | null {
  if (namedUrl(input) !== null) return null;
  const { values, io } = input;
  const file = textOption(values, "config");
  try {
    return loadConfig({ flags: file === undefined ? {} : { config: file }, env: io.env });
  } catch (error) {
    if (!isRunning || !(error instanceof ConfigError)) throw error;
    io.stderr.write(`lmx: warning: ${error.message}; the aliases in it are not shown\n`);
    return null;
  }
}

async function fromDisk(local: LoadedConfig | null, { env }: CliIo): Promise<ListedModel[]> {
  if (local === null) return [];
  const catalogue = await localCatalogue(local, env);
  return catalogue.list().map(({ id, path, modelType, sizeBytes, contextLength, digest }) => ({
    id,
    path,
    model_type: modelType,
    size_bytes: sizeBytes,
    context_length: contextLength,
    digest,
  }));
}

function table(models: readonly ListedModel[], styles: Styles): string[] {
  if (models.length === 0)
    return ["No model was found on disk; docs/models.md says where they are looked for."];
  const header = ["MODEL", "TYPE", "SIZE", "CONTEXT", "STATE", "PATH"];
  const rows = models.map((model) => [
    printable(model.id),
    printable(model.model_type ?? "-"),
    formatBytes(model.size_bytes),
    model.context_length === null ? "-" : String(model.context_length),
    model.readiness?.state ?? "-",
    printable(model.path),
  ]);
  return formatTable([header, ...rows], (cell, row) => (row === 0 ? styles.bold(cell) : cell));
}
