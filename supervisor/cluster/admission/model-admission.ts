import PQueue from "p-queue";
import type { Check, MemoryVerdict, ProbeResult } from "../../../shared/admin.ts";
import type { Config, ModelSettings } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { ModelStructure } from "../../../shared/worker-protocol.ts";
import { findArchitecture, needsTokenizerCode, readArchitectures } from "../../backends/mlx/architectures.ts";
import { BACKEND, type BackendVersions } from "../../backends/model-key.ts";
import type { CatalogueEntry } from "../../models/catalogue-entry.ts";
import { inspectSnapshot } from "../../models/snapshot/inspect-snapshot.ts";
import { type AdmissionVerdict, decideAdmission } from "../../policy/admission/admission.ts";
import { type Advisory, DEFAULT_ADVISORIES } from "../../policy/admission/advisories.ts";
import { sentence } from "../../policy/admission/finding.ts";
import { DEFAULT_BLOCKLIST } from "../../policy/admission/runtime-blocklist.ts";
import { humanBytes } from "../../policy/human-bytes.ts";
import type { Failure, Overrides } from "../../policy/lifecycle/model-state.ts";
import type { Inspection } from "../../workers/inspect-worker.ts";
import { FileLooks } from "./file-looks.ts";
import type { LoadHistory, ModelHistory } from "./load-history.ts";
import type { MemoryAdmission } from "./memory-admission.ts";

/** The Python runtime a model would be loaded with. */
export interface AdmissionRuntime {
  readonly versions: BackendVersions;
  /** `…/site-packages/mlx_lm` */
  readonly packageDirectory: string;
}

export interface AdmissionPorts {
  /** Why the service loads nothing unasked; null: it does. */
  safeMode(): string | null;
  /** Waits for a runtime that is being built. */
  runtime(): Promise<AdmissionRuntime>;
  /** Loads the structure in a process that is thrown away. */
  inspect(entry: CatalogueEntry, signal: AbortSignal): Promise<Inspection>;
  readonly memory: Pick<MemoryAdmission, "ask" | "release">;
  readonly record: LoadHistory;
  settings(modelId: string): ModelSettings;
  readonly config: Pick<Config, "runtime_blocklist" | "advisories">;
}

export interface AdmissionOptions {
  readonly overrides: Overrides;
  /** Only look: nothing is reserved. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** The whole verdict on one model, and what a load needs to know of it. */
export interface AdmissionReport {
  readonly result: ProbeResult;
  /** Null when admitted. */
  readonly failure: Failure | null;
  readonly overridden: readonly string[];
  readonly structure: ModelStructure | null;
  readonly cacheBudgetBytes: number | null;
}

const UNKNOWN_MEMORY: MemoryVerdict = {
  weights_bytes: null,
  kv_bytes_per_token: null,
  required_bytes: null,
  available_bytes: null,
};

/** Looks at a model before anything of it is loaded: files, architecture and runtime first, then structure, then memory. */
export class ModelAdmission {
  readonly #ports: AdmissionPorts;
  readonly #looks = new FileLooks();
  /** One structure at a time: each takes a process of its own. */
  readonly #inspections = new PQueue({ concurrency: 1 });
  /** What this process found, by model; the key says for which files and runtime. */
  readonly #structures = new Map<string, { readonly key: string; readonly structure: ModelStructure }>();

  constructor(ports: AdmissionPorts) {
    this.#ports = ports;
  }

  /** @throws the signal's reason; LmxError worker_runtime_broken when there is no Python runtime */
  async examine(entry: CatalogueEntry, options: AdmissionOptions): Promise<AdmissionReport> {
    const safeMode = this.#ports.safeMode();
    if (safeMode !== null && !options.overrides.safeMode) throw safeModeError(entry.id, safeMode);
    const runtime = await this.#runtime();
    const settings = this.#ports.settings(entry.id);
    const history = this.#ports.record.history(entry, runtime.versions);
    const { verdict, weightBytes } = await this.#judgeFiles(entry, runtime, history, options);
    const weights = { ...UNKNOWN_MEMORY, weights_bytes: weightBytes };
    if (verdict.verdict === "refuse")
      return { ...report(entry.id, verdict, [], weights, verdictFailure(verdict)), ...NOTHING_GRANTED };
    const proven = provenFor(history.structure, entry, settings);
    const inspection = await this.#structure(entry, runtime.versions, proven, options.signal);
    if (inspection.kind === "refused") {
      const check = structureRefused(entry.id, inspection.failure);
      return { ...report(entry.id, verdict, [check], weights, inspection.failure), ...NOTHING_GRANTED };
    }
    const { structure } = inspection;
    const answer = await this.#ports.memory.ask({
      modelId: entry.id,
      structure,
      settings,
      measuredPeakBytes: history.peakBytes,
      dryRun: options.dryRun,
      signal: options.signal,
    });
    const checks = [structureCheck(structure, proven !== null), answer.check];
    return {
      ...report(entry.id, verdict, checks, answer.memory, memoryFailure(answer.check)),
      structure,
      cacheBudgetBytes: answer.cacheBudgetBytes,
    };
  }

  /** The model has no worker any more: what was set aside for it is free. */
  release(modelId: string): void {
    this.#ports.memory.release(modelId);
  }

  async #runtime(): Promise<AdmissionRuntime> {
    try {
      return await this.#ports.runtime();
    } catch (error) {
      throw new LmxError("worker_runtime_broken", `There is no Python runtime: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Apart from what follows: the facts may be large, and the other checks wait for processes and memory. */
  async #judgeFiles(
    entry: CatalogueEntry,
    runtime: AdmissionRuntime,
    { lastOutcome }: ModelHistory,
    { overrides, signal }: AdmissionOptions,
  ): Promise<{ readonly verdict: AdmissionVerdict; readonly weightBytes: number }> {
    const facts = await this.#facts(entry, runtime, signal);
    const verdict = decideAdmission({
      ...facts,
      lastOutcome,
      allowUnsupportedRuntime: overrides.unsupportedRuntime,
      trustsCode: this.#ports.settings(entry.id).trust_code,
      blocklist: this.#ports.config.runtime_blocklist ?? DEFAULT_BLOCKLIST,
      advisories: withOwn(this.#ports.config.advisories),
    });
    return { verdict, weightBytes: facts.snapshot.weightBytes };
  }

  async #facts(entry: CatalogueEntry, { versions, packageDirectory }: AdmissionRuntime, signal: AbortSignal) {
    const architectures = await readArchitectures(packageDirectory);
    // Each time: a file of a Hugging Face cache may be mended, or damaged, under the same digest.
    const snapshot = await this.#looks.look(entry, signal, (either) =>
      inspectSnapshot(entry.path, { signal: either }),
    );
    const { config, tokenizer } = snapshot;
    return {
      modelId: entry.id,
      snapshot,
      architecture: config === null ? null : findArchitecture(architectures, config),
      needsTokenizerCode: needsTokenizerCode(architectures, tokenizer, String(config?.model_type)),
      runtime: {
        backend: BACKEND,
        backendVersion: versions.mlx_lm,
        mlxVersion: versions.mlx,
        platform: process.platform,
      },
    };
  }

  /** From an earlier pass of the same key, from an earlier look, or by looking now. */
  async #structure(
    entry: CatalogueEntry,
    versions: BackendVersions,
    proven: ModelStructure | null,
    signal: AbortSignal,
  ): Promise<Inspection> {
    if (proven !== null) return { kind: "structure", structure: proven };
    const settings = this.#ports.settings(entry.id);
    const { context_tokens, tool_parser, trust_code } = settings;
    const key = JSON.stringify([entry.digest, versions, context_tokens, tool_parser, trust_code]);
    const known = this.#structures.get(entry.id);
    if (known?.key === key && entry.digest !== null) return { kind: "structure", structure: known.structure };
    const inspection = await this.#inspections.add(() => this.#ports.inspect(entry, signal), { signal });
    if (inspection.kind === "structure")
      this.#structures.set(entry.id, { key, structure: inspection.structure });
    return inspection;
  }
}

/**
 * A structure has the context that was asked for when it was inspected. It stands for what a load would serve now if
 * that is no more, or if it is all that the model has; after a cap was raised or taken away it would be too small.
 */
function provenFor(
  passed: ModelStructure | null,
  { contextLength }: CatalogueEntry,
  { context_tokens = Number.POSITIVE_INFINITY }: ModelSettings,
): ModelStructure | null {
  if (passed === null) return null;
  const isEnough = passed.context_tokens === contextLength || context_tokens <= passed.context_tokens;
  return isEnough ? passed : null;
}

function safeModeError(modelId: string, why: string): LmxError {
  const next = `Load it all the same with: lmx load ${modelId} --override-safe-mode, or leave safe mode with: lmx safe-mode leave`;
  return new LmxError("safe_mode", `The service is in safe mode. ${why}. ${next}`);
}

const NOTHING_GRANTED = { structure: null, cacheBudgetBytes: null } as const;

function report(
  modelId: string,
  { checks, overridden }: AdmissionVerdict,
  further: readonly Check[],
  memory: MemoryVerdict,
  failure: Failure | null,
): Pick<AdmissionReport, "result" | "failure" | "overridden"> {
  const result: ProbeResult = {
    model_id: modelId,
    verdict: failure === null ? "admit" : "refuse",
    code: failure?.reason.code ?? null,
    checks: [...checks, ...further],
    memory,
  };
  if (failure === null) return { result, failure, overridden };
  const details = { checks: result.checks, memory };
  return { result, failure: { ...failure, details }, overridden };
}

function verdictFailure({ code, checks }: AdmissionVerdict): Failure {
  const failed = checks.find(({ status }) => status === "fail");
  const message = failed === undefined ? "refused" : `${failed.name}: ${sentence(failed)}`;
  return {
    class: "deterministic",
    reason: { code: code ?? "model_incomplete", cause: failed?.name ?? "refused", message },
  };
}

function memoryFailure(check: Check): Failure | null {
  if (check.status !== "fail") return null;
  const message = `${check.name}: ${sentence(check)}`;
  return { class: "environment", reason: { code: "insufficient_memory", cause: "memory", message } };
}

function structureRefused(modelId: string, { reason }: Failure): Check {
  const repair = `fetch the damaged files again with: lmx repair ${modelId}`;
  const next_step = reason.code === "model_incomplete" ? repair : null;
  return { name: "structure", status: "fail", detail: reason.message, expected: null, next_step };
}

function structureCheck({ parameters, weights_bytes }: ModelStructure, isProven: boolean): Check {
  const size = `${parameters} parameters, ${humanBytes(weights_bytes)} of weights`;
  const how = isProven ? "has passed on this runtime" : "every name and shape fits the architecture";
  return { name: "structure", status: "pass", detail: `${size}; ${how}`, expected: null, next_step: null };
}

/** The operator's own advisories beside the built-in ones; the same id replaces. */
function withOwn(own: Config["advisories"]): Advisory[] {
  const ids = new Set(own.map(({ id }) => id));
  const added = own.map(({ models, ...rest }) => (models === undefined ? rest : { ...rest, models }));
  return [...DEFAULT_ADVISORIES.filter(({ id }) => !ids.has(id)), ...added];
}
