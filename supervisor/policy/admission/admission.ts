import type { Check } from "../../../shared/admin.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { RegistryEntry } from "../../../shared/registry.ts";
import { humanBytes } from "../human-bytes.ts";
import { type Advisory, DEFAULT_ADVISORIES, matchAdvisories } from "./advisories.ts";
import type { ArchitectureFinding } from "./architecture-finding.ts";
import { checkArchitecture } from "./check-architecture.ts";
import { describeProblem } from "./describe-problem.ts";
import { type Finding, fail, pass, toCheck, warn } from "./finding.ts";
import { judgeProblem, type ProblemArea } from "./judge-problem.ts";
import { judgeQuantization } from "./judge-quantization.ts";
import {
  type BlockedRuntime,
  DEFAULT_BLOCKLIST,
  findBlock,
  type RuntimeVersions,
} from "./runtime-blocklist.ts";
import type { SnapshotFacts } from "./snapshot-facts.ts";

/** Everything that is known about a model before anything of it is loaded. */
export interface AdmissionFacts {
  readonly modelId: string;
  readonly snapshot: SnapshotFacts;
  /** Null: there is no config to go by. */
  readonly architecture: ArchitectureFinding | null;
  /** Its tokenizer can only be had by running code of its own. */
  readonly needsTokenizerCode: boolean;
  readonly runtime: RuntimeVersions;
  /** How the last try of exactly this model on exactly this runtime went; null: it was never tried. */
  readonly lastOutcome: RegistryEntry["outcome"] | null;
  /** Go past the runtime block and refusing advisories. */
  readonly allowUnsupportedRuntime: boolean;
  /** The configuration trusts the code of exactly this model. */
  readonly trustsCode: boolean;
  readonly blocklist?: readonly BlockedRuntime[];
  readonly advisories?: readonly Advisory[];
}

export interface AdmissionVerdict {
  readonly verdict: "admit" | "refuse";
  /** Of the first check that fails; null when admitted. */
  readonly code: ErrorCode | null;
  readonly checks: readonly Check[];
  /** Names of the checks that only passed because the runtime's limits were overridden: log and audit them. */
  readonly overridden: readonly string[];
}

/** Whether a model may be loaded, with everything that was looked at. Refuses only for what is certain. */
export function decideAdmission(facts: AdmissionFacts): AdmissionVerdict {
  const runsOwnModel = facts.trustsCode && asksForOwnModel(facts.snapshot);
  const findings = [
    ...checkArea("backend", facts, { onlyIfAny: true }),
    ...checkArea("config", facts),
    ...(runsOwnModel ? [] : checkArchitecture(facts.architecture, facts)),
    ...checkOwnCode(facts),
    ...checkRuntime(facts),
    ...checkQuantization(facts),
    ...checkArea("weights", facts),
    ...checkArea("index", facts, { onlyIfAny: true }),
    ...checkArea("tokenizer", facts),
    ...checkArea("chat template", facts),
    ...checkArea("download", facts, { onlyIfAny: true }),
    ...checkAdvisories(facts),
  ];
  const failed = findings.find(({ status }) => status === "fail");
  return {
    verdict: failed === undefined ? "admit" : "refuse",
    code: failed?.code ?? null,
    checks: findings.map(toCheck),
    overridden: findings.filter(({ isOverridden }) => isOverridden === true).map(({ name }) => name),
  };
}

/** Problems named in one check; the rest are counted. */
const NAMED_PROBLEMS = 5;

function checkArea(
  area: ProblemArea,
  { snapshot, modelId }: AdmissionFacts,
  { onlyIfAny = false }: { onlyIfAny?: boolean } = {},
): Finding[] {
  const judged = snapshot.problems
    .map((problem) => ({ problem, ...judgeProblem(problem) }))
    .filter((entry) => entry.area === area);
  if (judged.length === 0) return onlyIfAny ? [] : [pass(area, soundness(area, snapshot))];
  const refusing = judged.filter(({ code }) => code !== null);
  const named = [...refusing, ...judged.filter(({ code }) => code === null)]
    .slice(0, NAMED_PROBLEMS)
    .map(({ problem }) => describeProblem(problem));
  const rest = judged.length > NAMED_PROBLEMS ? `; and ${judged.length - NAMED_PROBLEMS} more` : "";
  const detail = named.join("; ") + rest;
  const code = refusing[0]?.code ?? null;
  if (code === null) return [warn(area, detail)];
  return [fail(area, code, detail, { nextStep: nextStep(code, modelId) })];
}

function nextStep(code: ErrorCode, modelId: string): string {
  return code === "model_incomplete"
    ? `fetch the damaged files again with: lmx repair ${modelId}`
    : "get the model in MLX format, or convert it with mlx_lm.convert";
}

function soundness(
  area: ProblemArea,
  { shards, tensorCount, weightBytes, tokenizer }: SnapshotFacts,
): string {
  if (area === "weights")
    return `${shards.length} ${shards.length === 1 ? "file" : "files"}, ${tensorCount} tensors, ${humanBytes(weightBytes)}, all in place`;
  if (area === "tokenizer") return tokenizer.className ?? "found";
  return "found and readable";
}

function asksForOwnModel({ config }: SnapshotFacts): boolean {
  return config?.model_file !== undefined && config.model_file !== null;
}

/** Loading must not run what came with the weights, unless the operator said so for this very model. */
function checkOwnCode({ snapshot, needsTokenizerCode, trustsCode, modelId }: AdmissionFacts): Finding[] {
  const name = "own code";
  const wanted = [
    ...(asksForOwnModel(snapshot)
      ? [`config.json asks to run ${JSON.stringify(snapshot.config?.model_file).slice(0, 80)}`]
      : []),
    ...(needsTokenizerCode
      ? ["the tokenizer's class is known only to code of the model's own (auto_map)"]
      : []),
  ];
  if (wanted.length === 0) return [];
  const detail = wanted.join("; ");
  if (trustsCode) return [warn(name, `${detail}; the configuration trusts ${modelId}`)];
  return [
    fail(name, "model_unsupported_arch", detail, {
      expected: "a model that needs no code of its own",
      nextStep: `read that code, then trust it with trust_code under models: ${modelId} in the configuration, or get the model without it`,
    }),
  ];
}

function checkRuntime(facts: AdmissionFacts): Finding[] {
  const {
    architecture,
    runtime,
    blocklist = DEFAULT_BLOCKLIST,
    lastOutcome,
    allowUnsupportedRuntime,
    modelId,
  } = facts;
  const name = "runtime";
  const where = `${runtime.backend} ${runtime.backendVersion}, mlx ${runtime.mlxVersion}`;
  const signatures = architecture?.kind === "known" ? [architecture.modelType, architecture.module] : [];
  const block = findBlock(blocklist, signatures, runtime);
  if (block === null) return [pass(name, where)];
  const why = `${block.signature} is blocked on ${block.backend}${block.versions === "" ? "" : ` ${block.versions}`}: ${block.reason} (${block.evidence})`;
  if (lastOutcome === "pass")
    return [pass(name, `${where}; ${why}, but this model has passed on this runtime`)];
  if (allowUnsupportedRuntime) return [{ ...warn(name, `${why}; overridden`), isOverridden: true }];
  const tried = lastOutcome === "fail" ? "; it failed when last tried" : "";
  return [
    fail(name, "model_unsupported_backend", `${why}${tried}`, {
      nextStep: `to try it all the same load it with allow_unsupported_runtime: lmx load ${modelId} --allow-unsupported-runtime`,
    }),
  ];
}

function checkQuantization({ snapshot, architecture, modelId }: AdmissionFacts): Finding[] {
  if (snapshot.config === null) return [];
  const name = "quantization";
  const verdict = judgeQuantization(snapshot, architecture?.kind === "known" && architecture.readsFp8);
  switch (verdict.kind) {
    case "fine":
      return [pass(name, verdict.detail)];
    case "malformed":
      return [
        fail(name, "model_incomplete", verdict.detail, {
          nextStep: `repair config.json with: lmx repair ${modelId}`,
        }),
      ];
    case "unsupported":
      return [
        fail(name, "model_unsupported_backend", `mlx_lm cannot read ${verdict.detail}`, {
          nextStep: nextStep("model_unsupported_backend", modelId),
        }),
      ];
    default:
      return verdict satisfies never;
  }
}

function checkAdvisories(facts: AdmissionFacts): Finding[] {
  const { advisories = DEFAULT_ADVISORIES, modelId, snapshot, runtime, allowUnsupportedRuntime } = facts;
  return matchAdvisories(advisories, { id: modelId, config: snapshot.config }, runtime).map(
    (advisory): Finding => {
      const name = `advisory ${advisory.id}`;
      const detail = `${advisory.summary} (${advisory.package}${advisory.range === "" ? "" : ` ${advisory.range}`}; ${advisory.source})`;
      if (advisory.level === "warn") return warn(name, detail);
      if (allowUnsupportedRuntime) return { ...warn(name, `${detail}; overridden`), isOverridden: true };
      return fail(name, "model_unsupported_backend", detail, {
        nextStep: `use another runtime, or go past it: lmx load ${modelId} --allow-unsupported-runtime`,
      });
    },
  );
}
