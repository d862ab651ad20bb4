import { modelListSchema, type ProbeResult, probeResultSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import type { Command, CommandInput } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { printable } from "./printable.ts";

/** Checks of a model's files: a download can mend them. */
const FILE_CHECKS: ReadonlySet<string> = new Set([
  "config",
  "weights",
  "index",
  "tokenizer",
  "chat template",
  "download",
  "structure",
]);

export const repairCommand: Command = {
  name: "repair",
  arguments: ["model"],
  summary: "say what is wrong with a model's files and how to fetch them again",
  options: CONNECTION_OPTIONS,
  help: `Looks at a model's files as "lmx probe" does, names those that are missing or damaged, and prints a command that
fetches them again. It downloads nothing itself. Exits 0 when nothing has to be fetched, else 1.

Options:
${CONNECTION_HELP}

Examples:
  lmx repair org/model
  lmx repair org/model || lmx probe org/model`,
  run: repairAndPrint,
};

async function repairAndPrint(input: CommandInput): Promise<number> {
  const { io, positionals, values } = input;
  const client = connect(input);
  const result = await client.post(
    "/admin/models/probe",
    { model_id: positionals[0] ?? "" },
    probeResultSchema,
  );
  const { data } = await client.get("/admin/models", modelListSchema);
  const path = data.find(({ id }) => id === result.model_id)?.path ?? "";
  const problems = problemsOf(result);
  const isDamaged = problems.length > 0;
  const fetch = isDamaged ? fetchCommand(result.model_id, path) : null;
  const text =
    values.json === true
      ? JSON.stringify({ model_id: result.model_id, path, problems, fetch }, null, 2)
      : report(result.model_id, problems, fetch);
  io.stdout.write(`${text}\n`);
  return isDamaged ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
}

/** What is wrong with the files; other checks are the business of `lmx probe`. */
function problemsOf({ checks }: ProbeResult): string[] {
  return checks
    .filter(({ name, status }) => status === "fail" && FILE_CHECKS.has(name))
    .map(({ name, detail }) => `${name}: ${detail}`);
}

function report(modelId: string, problems: readonly string[], fetch: string | null): string {
  if (fetch === null)
    return printable(`${modelId} has all its files, as far as can be seen without reading them`);
  return [
    printable(`${modelId} has damaged or missing files:`),
    ...problems.map((problem) => `  ${printable(problem)}`),
    "",
    "When it came from Hugging Face, this fetches them again:",
    `  ${printable(fetch)}`,
    "To fetch only some of them, put their names behind the model's.",
  ].join("\n");
}

/** Where a model of a Hugging Face cache lies: the cache, the repository's name with `--` for `/`, the revision. */
const CACHED = /^(.*)\/models--([^/]+)\/snapshots\/([0-9a-f]{40})$/;

/** By force: what is there under the right name counts as downloaded, whatever is in it. */
function fetchCommand(modelId: string, path: string): string {
  const [, cache, repository, revision] = CACHED.exec(path) ?? [];
  if (cache === undefined || repository === undefined || revision === undefined)
    return `hf download ${quoted(modelId)} --local-dir ${quoted(path)} --force-download`;
  const name = repository.replaceAll("--", "/");
  return `hf download ${quoted(name)} --revision ${revision} --cache-dir ${quoted(cache)} --force-download`;
}

/** For a shell, where it needs quotes. */
function quoted(path: string): string {
  return /^[\w./~@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
