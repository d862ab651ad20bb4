import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import {
  findArchitecture,
  needsTokenizerCode,
  readArchitectures,
} from "../../supervisor/backends/mlx/architectures.ts";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import { inspectSnapshot } from "../../supervisor/models/snapshot/inspect-snapshot.ts";
import {
  type AdmissionFacts,
  type AdmissionVerdict,
  decideAdmission,
} from "../../supervisor/policy/admission/admission.ts";

/** One directory of the corpus: a tiny real model with one thing done to it. */
export interface DamagedModel {
  readonly arch: string;
  readonly damage: string;
  readonly path: string;
}

export interface Corpus {
  readonly runtime: { readonly package: string; readonly mlx_lm: string; readonly mlx: string };
  readonly models: readonly DamagedModel[];
}

/** What mlx_lm itself made of a directory. */
export interface Truth {
  readonly works: boolean;
  readonly stage: string | null;
  readonly error: string | null;
}

const { workerDirectory } = packageFiles();
const environment = { ...process.env, MLX_DISABLE_COMPILE: "1" };

/** Builds all damaged models under `directory`. */
export async function buildCorpus(python: string, directory: string): Promise<Corpus> {
  await promisify(execFile)(python, ["-m", "tests.damaged_models", "--out", directory], {
    cwd: workerDirectory,
    env: environment,
  });
  return JSON.parse(await readFile(join(directory, "corpus.json"), "utf8")) as Corpus;
}

/** Loads every directory with mlx_lm; one that takes the process with it counts as not working. */
export function askOracle(python: string, paths: readonly string[]): Promise<Truth[]> {
  return askAll(python, "tests.load_oracle", paths, {
    works: false,
    stage: "process",
    error: "the process died",
  });
}

/** What the worker's inspection refuses each directory with; null: nothing. */
export async function askInspection(python: string, paths: readonly string[]): Promise<(string | null)[]> {
  const answers = await askAll(python, "tests.inspect_many", paths, { code: "the process died" });
  return answers.map(({ code }: { code: string | null }) => code);
}

async function askAll<Answer>(
  python: string,
  module: string,
  paths: readonly string[],
  whenItDies: Answer,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < paths.length) {
    answers.push(...(await askUntilItDies<Answer>(python, module, paths.slice(answers.length))));
    if (answers.length < paths.length) answers.push(whenItDies);
  }
  return answers;
}

async function askUntilItDies<Answer>(
  python: string,
  module: string,
  paths: readonly string[],
): Promise<Answer[]> {
  const child = spawn(python, ["-m", module], {
    cwd: workerDirectory,
    env: environment,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // A dead process no longer reads; its missing answers say so.
  child.stdin.on("error", () => {});
  child.stdin.end(paths.map((path) => `${path}\n`).join(""));
  const answers: Answer[] = [];
  for await (const line of createInterface(child.stdout)) answers.push(JSON.parse(line) as Answer);
  return answers;
}

/** Our verdict, reached without Python. */
export async function judge(
  { runtime }: Corpus,
  { path, arch }: Pick<DamagedModel, "path" | "arch">,
  options: Partial<AdmissionFacts> = {},
): Promise<AdmissionVerdict> {
  const architectures = await readArchitectures(runtime.package);
  const snapshot = await inspectSnapshot(path);
  const { config, tokenizer } = snapshot;
  return decideAdmission({
    modelId: arch,
    snapshot,
    architecture: config === null ? null : findArchitecture(architectures, config),
    needsTokenizerCode: needsTokenizerCode(architectures, tokenizer, String(config?.model_type)),
    runtime: {
      backend: "mlx-lm",
      backendVersion: runtime.mlx_lm,
      mlxVersion: runtime.mlx,
      platform: process.platform,
    },
    lastOutcome: null,
    allowUnsupportedRuntime: true,
    trustsCode: false,
    ...options,
  });
}
